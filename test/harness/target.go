package harness

import (
	"encoding/json"
	"fmt"
	"net/url"

	"joboutputs/shared/auth"
	"joboutputs/test/robustness/model"
)

// target is the request of a call.
func target(c model.Call) (method, path string, body []byte) {
	output := fmt.Sprintf("/v1/job-outputs/%d", c.PK)
	job := fmt.Sprintf("/v1/jobs/%d", c.Job)
	named := job + "/outputs/" + url.PathEscape(c.Name) + "/" + url.PathEscape(c.Type)
	upload := job + "/uploads/" + c.Upload
	object := func(members map[string]any) []byte {
		text, err := json.Marshal(members)
		if err != nil {
			panic(err) // texts and numbers
		}
		return text
	}
	switch c.Action {
	case auth.JobsCreate:
		members := map[string]any{"description": c.Description}
		if c.PK != 0 {
			members["pk"] = c.PK
		}
		if c.Node != 0 {
			members["node"] = c.Node
		}
		return "POST", "/v1/jobs/create", object(members)
	case auth.JobsRetrieve:
		return "GET", job, nil
	case auth.JobsAcquire:
		return "GET", job + "/acquire", nil
	case auth.JobsRelease:
		return "DELETE", job + "/release", nil
	case auth.JobsStart:
		return "POST", job + "/start", nil
	case auth.JobsFinish:
		members := map[string]any{}
		if c.Error != nil {
			members["error"] = *c.Error
		}
		return "POST", job + "/finish", object(members)
	case auth.JobsAddOutput:
		return "POST", named, []byte(c.Content)
	case auth.JobsGetOutput:
		return "GET", named, nil
	case auth.JobsGetOutputInfo:
		return "GET", named + "/info", nil
	case auth.JobsDeleteOutput:
		return "DELETE", named, nil
	case auth.OutputsRetrieve:
		return "GET", output, nil
	case auth.OutputsDestroy:
		return "DELETE", output, nil
	case auth.OutputsReinstate:
		return "POST", output + "/reinstate", nil
	case auth.OutputsHardDelete:
		return "DELETE", output + "/hard", nil
	case auth.OutputsDownload:
		return "POST", output + "/download", nil
	case auth.OutputsList:
		members := map[string]any{"include_inactive": c.Inactive}
		if c.Job != 0 {
			members["expressions"] = []any{map[string]any{"type": "exact", "field": "job", "value": c.Job}}
		}
		return "POST", "/v1/job-outputs/list", object(members)
	case auth.UploadsBegin:
		members := map[string]any{"name": c.Name, "type": c.Type, "size": len(c.Content), "content_type": c.ContentType}
		if c.PartSize != 0 {
			members["part_size"] = c.PartSize
		}
		return "POST", job + "/uploads", object(members)
	case auth.UploadsStatus:
		return "GET", upload, nil
	case auth.UploadsComplete:
		return "POST", upload + "/complete", nil
	case auth.UploadsAbort:
		return "DELETE", upload, nil
	}
	panic(fmt.Sprintf("no request for the action %q", c.Action))
}
