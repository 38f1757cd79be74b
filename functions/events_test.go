package functions_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/archive"
	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/awstest"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
	"joboutputs/shared/table"
	"joboutputs/shared/token"
	"joboutputs/shared/uploads"
)

// replayed is when events are replayed: when API Gateway says it received them.
var replayed = time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)

// What the store holds when an event is replayed: job 2 runs on node 1, with an active
// output and a soft-deleted one, job 6 is free, and job 7 waits for node 2 to start it.
var seeded = fixture.Rows{
	Jobs: []jobs.Job{
		{PK: 2, Description: "train", Node: 1, Creator: 2, CreationTime: day(1), StartTime: day(2)},
		{PK: 6, Creator: 2, CreationTime: day(1)},
		{PK: 7, Node: 2, Creator: 2, CreationTime: day(1)},
	},
	Nodes: []fixture.Node{{PK: 1, CurrentJob: 2}},
	Outputs: []fixture.Output{
		{Content: []byte("weights\x00\xff"), Output: outputs.Output{
			PK: 5, Job: 2, Name: "model", Type: "Model<Domain<'Image Classification'>>",
			Creator: 2, CreatorUsername: "alice", CreationTime: day(3), ContentType: "application/octet-stream",
		}},
		{Content: []byte("epoch 1"), Output: outputs.Output{
			PK: 6, Job: 2, Name: "train log", Type: "txt",
			Creator: 2, CreatorUsername: "alice", CreationTime: day(3), DeletionTime: day(4),
		}},
	},
	LastOutputPK: 67,
}

func day(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }

// The outputs as answered, with the text of deletion_time open.
const (
	model = `{"pk":5,"job":2,"name":"model","type":"Model<Domain<'Image Classification'>>","creator":2,` +
		`"creation_time":"2026-05-03T00:00:00.000000Z","deletion_time":%s,"size":9,"content_type":"application/octet-stream",` +
		`"sha256":"3f144b4b7b0bf1a97752733c9e710fc6b2ace7833d28196426f57d92c56e9b2d","checksum":{"algorithm":"SHA256","type":"full","value":"PxRLS3sL8al3UnM8nnEPxrKs54M9KBlkJvV9ksVumy0="}}`
	trainLog = `{"pk":6,"job":2,"name":"train log","type":"txt","creator":2,` +
		`"creation_time":"2026-05-03T00:00:00.000000Z","deletion_time":%s,"size":7,"content_type":null,` +
		`"sha256":"51604db2883998a0b0a9ee6db811799f3bf7fd9434b7f6c2dddb8a1f6b43a331","checksum":{"algorithm":"SHA256","type":"full","value":"UWBNsog5mKCwqe5tuBF5nzv3/ZQ0t/bC3duKH2tDozE="}}`
	jobText = `{"pk":%d,"description":%q,"node":%s,"creator":%d,"creation_time":%s,"start_time":%s,"end_time":%s,"error_reason":%s,` +
		`"deletion_time":null,"is_cancelled":false,"outputs":[%s]}`
	mentions = `{"pk":5,"name":"model","type":"Model<Domain<'Image Classification'>>"},{"pk":6,"name":"train log","type":"txt"}`
	now      = `"2026-05-06T07:08:09.123456Z"`
	may1     = `"2026-05-01T00:00:00.000000Z"`
	may2     = `"2026-05-02T00:00:00.000000Z"`
	may4     = `"2026-05-04T00:00:00.000000Z"`
)

// TestEvents replays every event through the code its Lambda runs, on stores of its own.
func TestEvents(t *testing.T) {
	want := map[auth.Action]struct {
		status int
		body   string
	}{
		auth.OutputsList: {200, "[" + fmt.Sprintf(model, "null") + "]"},
		auth.DocsOpenAPI: {200, api.OpenAPI()},
		auth.DocsLimits: {200, `{"add_max_size":4400000,"upload_max_size":50000000000,"upload_seconds":86400` +
			`,"part_min_size":5242880,"part_max_size":5368709120,"part_max_count":10000,"single_part_max_size":67108864,"parts_per_request":100,"part_link_seconds":900` +
			`,"inline_max_size":4194304,"stream_max_size":200000000,"zip_max_outputs":10000,"link_seconds":900,"body_max_size":262144,"name_max_characters":200,"type_max_bytes":2048,"page_max_rows":1000,"job_max_outputs":1000}`},
		auth.OutputsRetrieve:   {200, fmt.Sprintf(model, "null")},
		auth.OutputsDestroy:    {204, ""},
		auth.OutputsHardDelete: {200, fmt.Sprintf(trainLog, may4)},
		auth.OutputsReinstate:  {200, fmt.Sprintf(trainLog, "null")},
		auth.OutputsDownload:   {200, "weights\x00\xff"},
		auth.JobsCreate:        {201, fmt.Sprintf(jobText, 8, "train – résumé", "1", 1, now, "null", "null", "null", "")},
		auth.JobsRetrieve:      {200, fmt.Sprintf(jobText, 2, "train", "1", 2, may1, may2, "null", "null", mentions)},
		auth.JobsAcquire:       {200, fmt.Sprintf(jobText, 6, "", "2", 2, may1, "null", "null", "null", "")},
		auth.JobsRelease:       {200, fmt.Sprintf(jobText, 7, "", "null", 2, may1, "null", "null", "null", "")},
		auth.JobsStart:         {200, fmt.Sprintf(jobText, 7, "", "2", 2, may1, now, "null", "null", "")},
		auth.JobsFinish:        {200, fmt.Sprintf(jobText, 2, "train", "1", 2, may1, may2, now, `"out of memory"`, mentions)},
		auth.JobsAddOutput: {200, `{"pk":68,"job":2,"name":"train log #2","type":"Model<Domain<'Image Classification'>>","creator":2,` +
			`"creation_time":` + now + `,"deletion_time":null,"size":8,"content_type":"application/octet-stream",` +
			`"sha256":"0fdc4480f645f4bfa04d4ad7394c3f45430013c55f1954c04b3e2027abfb28df","checksum":{"algorithm":"SHA256","type":"full","value":"D9xEgPZF9L+gTUrXOUw/RUMAE8VfGVTASz4gJ6v7KN8="}}`},
		auth.JobsGetOutput:     {206, "weights"},
		auth.JobsGetOutputInfo: {200, fmt.Sprintf(model, "null")},
		auth.JobsDeleteOutput:  {200, fmt.Sprintf(model, now)},
		auth.JobsZipOutputs:    {200, zipped(t)},
		auth.UploadsBegin: {409, document(409, "duplicate_output", "00000000-0000-4000-8000-000000000201",
			"Bad name 'train log': Job already has an output by this name/type (train log/txt)",
			`"deletion_time":`+may4+`,"pk":6,"sha256":"51604db2883998a0b0a9ee6db811799f3bf7fd9434b7f6c2dddb8a1f6b43a331"`)},
		auth.UploadsStatus:   {404, document(404, "upload_not_found", "00000000-0000-4000-8000-000000000202", "The job has no upload of this id.", "")},
		auth.UploadsComplete: {404, document(404, "upload_not_found", "00000000-0000-4000-8000-000000000203", "The job has no upload of this id.", "")},
		auth.UploadsAbort:    {404, document(404, "upload_not_found", "00000000-0000-4000-8000-000000000204", "The job has no upload of this id.", "")},
		auth.AuthObtain:      {200, `{"refresh":"refresh of alice","access":"access of alice"}`},
		auth.AuthRefresh:     {200, `{"access":"access"}`},
		auth.AuthVerify:      {200, `{}`},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions.Catalogue() {
		t.Run(string(f.Name), func(t *testing.T) {
			t.Parallel()
			event, err := os.ReadFile("../events/" + string(f.Name) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if f.Authorizer != nil || f.Name == auth.AuthVerify {
				event = withToken(t, event, key)
			}
			a := awstest.New(t)
			stores := a.StoreConfig()
			stores.Now = func() time.Time { return replayed }
			deps := functions.NewDeps(stores, uploads.Limits{})
			deps.Log = slog.New(slog.DiscardHandler)
			deps.Verifier = verifier(&key.PublicKey)
			deps.Issuer = issuer{}
			deps.Streaming = true
			if err := fixture.Load(auth.WithTenant(t.Context(), "demo"), table.New(stores), "demo", seeded); err != nil {
				t.Fatal(err)
			}
			switch {
			case f.Authorizer != nil:
				text := invoke(t, f.Authorizer(deps), event)
				var got events.APIGatewayCustomAuthorizerResponse
				if err := json.Unmarshal(text, &got); err != nil {
					t.Fatal(err)
				}
				if p, err := auth.FromContext(got.Context); err != nil || p.Tenant != "demo" || p.UserPK != 2 || got.PolicyDocument.Statement[0].Effect != "Allow" {
					t.Errorf("answered %s, which names %+v (%v), want user 2 of demo allowed", text, p, err)
				}
			case f.Schedule != nil:
				if got, want := string(invoke(t, f.Schedule(deps), event)), `{"intents":0,"tombstones":0,"uploads":0,"skipped":0,"rechecked":0,"failed":0,"deferred":0,"attempts":0,"oldest_seconds":0}`; got != want {
					t.Errorf("answered %s, want %s", got, want)
				}
			default:
				want, ok := want[f.Name]
				if !ok {
					t.Fatal("nobody said what its event is answered")
				}
				status, body := serve(t, f, deps, event)
				if diff := cmp.Diff(want.body, body); status != want.status || diff != "" {
					t.Errorf("status %d, want %d; body (-want +got):\n%s", status, want.status, diff)
				}
				if f.Streamed { // it answers the same where nothing streams
					f.Streamed, deps.Streaming = false, false
					if status, body := serve(t, f, deps, event); status != want.status || body != want.body {
						t.Errorf("buffered: status %d, body %q, want %d, %q", status, body, want.status, want.body)
					}
				}
			}
		})
	}
}

// document is the problem of an event that names an upload: what is answered to those that
// go well holds an id drawn at random, or a link.
func document(status int, code, requestID, detail, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"type":"urn:joboutputs:problem:%s","title":%q,"status":%d,"detail":%q,"code":%q,"request_id":%q%s}`,
		code, http.StatusText(status), status, detail, code, requestID, more)
}

// invoke is what Lambda's runtime does with an event.
func invoke(t *testing.T, handler any, event []byte) []byte {
	t.Helper()
	answer, err := lambda.NewHandler(handler).Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// serve invokes a function that speaks HTTP, streamed or buffered as its row says.
func serve(t *testing.T, f functions.Function, deps functions.Deps, event []byte) (status int, body string) {
	t.Helper()
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return replayed }}
	var answer events.APIGatewayProxyResponse
	if f.Streamed {
		head, rest, ok := bytes.Cut(invoke(t, edge.Streamed(f.HTTP(deps)), event), make([]byte, 8))
		if err := json.Unmarshal(head, &answer); err != nil || !ok {
			t.Fatalf("the streamed answer begins %q: %v", head, err)
		}
		return answer.StatusCode, string(rest)
	}
	text := invoke(t, edge.Buffered(f.HTTP(deps)), event)
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("the answer is %s: %v", text, err)
	}
	if !answer.IsBase64Encoded {
		return answer.StatusCode, answer.Body
	}
	decoded, err := base64.StdEncoding.DecodeString(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(decoded)
}

// zipped is the zip of what job 2 has that is not deleted.
func zipped(t *testing.T) string {
	t.Helper()
	entry := archive.Entry{PK: 5, Name: "model", Type: "Model<Domain<'Image Classification'>>", Size: 9, Created: day(3)}
	var text strings.Builder
	err := archive.Write(&text, []archive.Entry{entry}, func(int) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("weights\x00\xff")), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// issuer gives every user tokens that say whose they are.
type issuer struct{}

func (issuer) Obtain(_ context.Context, username, _ string) (token.Pair, error) {
	return token.Pair{Refresh: "refresh of " + username, Access: "access of " + username}, nil
}

func (issuer) Refresh(context.Context, string) (string, error) { return "access", nil }

const issuerURL = "https://issuer.test"

// verifier trusts one key.
func verifier(key *ecdsa.PublicKey) *token.Verifier {
	cfg := token.Config{Issuer: issuerURL, Audience: "joboutputs", JWKS: issuerURL + "/jwks.json"}
	return token.New(cfg, &http.Client{Transport: keySet{key}}, func() time.Time { return replayed })
}

// keySet answers every request with the JWK set of one key.
type keySet struct{ key *ecdsa.PublicKey }

func (s keySet) RoundTrip(r *http.Request) (*http.Response, error) {
	point, err := s.key.Bytes() // 4, then both coordinates (SEC 1, section 2.3.3)
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"example","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(set)), Request: r,
	}, nil
}

// withToken puts a token that is good into an event whose own nobody can prove: the
// authorizer's and verify's.
func withToken(t *testing.T, event []byte, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuerURL, "aud": "joboutputs", "sub": "alice", "exp": replayed.Add(time.Hour).Unix(),
		"token_use": "access", "tenant": "demo", "upk": 2,
	})
	unsigned.Header["kid"] = "example"
	signed, err := unsigned.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(event, &members); err != nil {
		t.Fatal(err)
	}
	if members["authorizationToken"] != nil {
		members["authorizationToken"] = "Bearer " + signed
	} else {
		members["body"] = base64.StdEncoding.EncodeToString([]byte(`{"token":"` + signed + `"}`))
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
