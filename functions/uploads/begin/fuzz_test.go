package begin_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"joboutputs/functions/uploads/begin"
	"joboutputs/shared/problem"
)

// FuzzBegin: what reaches the store is what an upload may be; what does not is refused
// with a problem of the body, and the store is not asked.
func FuzzBegin(f *testing.F) {
	for _, body := range []string{
		post.JSON, `{}`, `[]`, `{"name":"n","type":"t","size":-1}`, `{"name":"n","type":"t","size":1e3}`, `{"name":null,"type":"t","size":0}`,
		`{"name":"n","type":"t","size":9223372036854775807,"part_size":5242880,"content_type":"text/plain"}`,
		`{"name":"a/b","type":"\u0000","size":1,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}`,
		`[["name","n"],["type","t"],["size",5]]`, `{"name":"n","type":"t","size":1,"sha256":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}`,
		`{"name":"n","name":"m","type":"t","size":1}`, `{"Name":"n","type":"t","size":1}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		store := &fake{}
		call := post
		call.JSON, call.Body, call.Header = "", string(body), map[string]string{"Content-Type": "application/json"}
		answer := call.Do(t, begin.New(store))
		if (answer.Status == http.StatusCreated) != (store.asked != "") {
			t.Fatalf("%d, and the store was asked %q", answer.Status, store.asked)
		}
		if store.asked == "" {
			switch answer.Code() {
			case problem.InvalidRequest, problem.InvalidJSON, problem.InvalidName, problem.PayloadTooLarge:
				return
			}
			t.Fatalf("not a problem with the body: %s", answer)
		}
		n := store.begun
		sum, err := base64.StdEncoding.DecodeString(n.SHA256)
		if n.Type == "" || n.Size < 0 || n.PartSize < 0 || len(n.ContentType) > 255 || err != nil || n.SHA256 != "" && len(sum) != 32 {
			t.Fatalf("the store was asked for %+v", n)
		}
	})
}
