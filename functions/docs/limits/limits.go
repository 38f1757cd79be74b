// Package limits is GET /v1/limits: the service's limits as figures, for clients that would
// rather know before they send.
package limits

import (
	"net/http"
	"time"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/filter"
	"joboutputs/shared/jobs"
	"joboutputs/shared/outputs"
	"joboutputs/shared/uploads"
)

// answer is flat; sizes are in bytes.
type answer struct {
	AddMaxSize        int64 `json:"add_max_size"`
	UploadMaxSize     int64 `json:"upload_max_size"`
	UploadSeconds     int64 `json:"upload_seconds"`
	PartMinSize       int64 `json:"part_min_size"`
	PartMaxSize       int64 `json:"part_max_size"`
	PartMaxCount      int64 `json:"part_max_count"`
	SinglePartMaxSize int64 `json:"single_part_max_size"`
	PartsPerRequest   int64 `json:"parts_per_request"`
	PartLinkSeconds   int64 `json:"part_link_seconds"`
	InlineMaxSize     int64 `json:"inline_max_size"`
	StreamMaxSize     int64 `json:"stream_max_size"`
	ZipMaxOutputs     int64 `json:"zip_max_outputs"`
	LinkSeconds       int64 `json:"link_seconds"`
	BodyMaxSize       int64 `json:"body_max_size"`
	NameMaxCharacters int64 `json:"name_max_characters"`
	TypeMaxBytes      int64 `json:"type_max_bytes"`
	PageMaxRows       int64 `json:"page_max_rows"`
	JobMaxOutputs     int64 `json:"job_max_outputs"` // that its body lists
}

// New makes the action.
func New(u uploads.Limits) http.Handler {
	return api.Handle(auth.DocsLimits, func(w http.ResponseWriter, _ *http.Request, _ auth.Principal) error {
		staged := u.WithDefaults()
		return api.JSON(w, http.StatusOK, &answer{
			AddMaxSize:        api.MaxContent,
			UploadMaxSize:     staged.MaxSize,
			UploadSeconds:     seconds(staged.Life),
			PartMinSize:       uploads.MinPartSize,
			PartMaxSize:       uploads.MaxPartSize,
			PartMaxCount:      uploads.MaxParts,
			SinglePartMaxSize: uploads.MaxSinglePart,
			PartsPerRequest:   uploads.PartsAtOnce,
			PartLinkSeconds:   seconds(uploads.LinkLife),
			InlineMaxSize:     delivery.MaxInline,
			StreamMaxSize:     delivery.MaxStreamed,
			ZipMaxOutputs:     delivery.MaxZipped,
			LinkSeconds:       seconds(delivery.LinkLife),
			BodyMaxSize:       api.MaxBody,
			NameMaxCharacters: outputs.MaxName,
			TypeMaxBytes:      outputs.MaxType,
			PageMaxRows:       filter.MaxLimit,
			JobMaxOutputs:     jobs.MaxOutputs,
		})
	})
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
