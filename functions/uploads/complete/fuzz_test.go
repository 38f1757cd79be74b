package complete_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"testing"

	"joboutputs/functions/uploads/complete"
	"joboutputs/shared/auth"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

// kept is a store that remembers a completion.
type kept struct {
	asked bool
	got   uploads.Completion
}

func (k *kept) Complete(_ context.Context, _ auth.Principal, job int64, _ string, c uploads.Completion) (outputs.Output, error) {
	k.asked, k.got = true, c
	return outputs.Output{PK: 9, Job: job, Name: "log", Type: "txt"}, nil
}

// FuzzComplete: every checksum that reaches the store is one, in base64; what does not
// reach it is refused with a problem of the body.
func FuzzComplete(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `[]`, `{"sha256":"` + hello + `"}`, `{"parts":[{"number":1,"sha256":"` + inBase64 + `"},{"number":2,"sha256":"` + hello + `"}]}`,
		`{"parts":[{"number":1,"sha256":"` + hello + `"},{"number":1,"sha256":"` + hello + `"}]}`, `{"parts":[{"number":-1,"sha256":"` + hello + `"}]}`,
		`{"parts":[{}]}`, `{"parts":null,"sha256":null}`, `{"parts":[{"number":1e0,"sha256":"x"}]}`, `[["parts",[]]]`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		store := &kept{}
		call := post
		call.Body, call.Header = string(body), map[string]string{"Content-Type": "application/json"}
		answer := call.Do(t, complete.New(store))
		if (answer.Status == http.StatusOK) != store.asked {
			t.Fatalf("%d, and the store was asked: %t", answer.Status, store.asked)
		}
		if !store.asked {
			if code := answer.Code(); code != problem.InvalidRequest && code != problem.InvalidJSON && code != problem.PayloadTooLarge {
				t.Fatalf("not a problem with the body: %s", answer)
			}
			return
		}
		sums := []string{store.got.SHA256}
		for _, sum := range store.got.Parts {
			sums = append(sums, sum)
			if sum == "" {
				t.Fatal("a part has no checksum")
			}
		}
		for _, sum := range sums {
			if raw, err := base64.StdEncoding.DecodeString(sum); err != nil || sum != "" && len(raw) != 32 {
				t.Fatalf("the store was given the checksum %q", sum)
			}
		}
	})
}
