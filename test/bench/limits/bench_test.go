package limits

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/infra/local/issuer"
	"joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
)

// instant is stores that answer at once, so that what is left is our own and the SDK's.
type instant struct{ item string }

func (i instant) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	var body []byte
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "GetItem":
		body = []byte(`{"Item":` + i.item + `}`)
	case "Query":
		body = fmt.Appendf(nil, `{"Count":%d,"ScannedCount":%d,"Items":[%s]}`, perJob, perJob, strings.TrimSuffix(strings.Repeat(i.item+",", perJob), ","))
	case "BatchGetItem":
		body = []byte(`{"Responses":{"bench":[{"PK":{"S":"T#bench#J#100"},"SK":{"S":"JOB"},"pk":{"N":"100"},"creation_time":{"S":"2026-01-05T09:00:00.000000Z"},"start_time":{"S":"2026-01-05T09:00:00.000000Z"},"v":{"N":"1"}}]},"UnprocessedKeys":{}}`)
		body = bytes.ReplaceAll(body, []byte("T#bench#"), []byte("T#"+i.tenant()+"#"))
	case "UpdateItem":
		body = []byte(`{"Attributes":{"outputs":{"N":"7"}}}`)
	case "":
		if r.Method == http.MethodGet {
			body = content
		}
	default:
		body = []byte(`{}`)
	}
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	return &http.Response{
		StatusCode: http.StatusOK, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}, nil
}

func (i instant) tenant() string { return tenant }

const storedItem = `{"PK":{"S":"T#bench#O#7"},"SK":{"S":"O"},"TLPK":{"S":"T#bench#S3"},"TLSK":{"S":"2026-01-05T09:00:07.000000Z#0000000007"},` +
	`"pk":{"N":"7"},"job":{"N":"100"},"name":{"S":"model-7"},"type":{"S":"tflite"},"creator":{"N":"1"},"creator_username":{"S":"admin"},` +
	`"creation_time":{"S":"2026-01-05T09:00:07.000000Z"},"size":{"N":"100000"},"content_type":{"S":"application/octet-stream"},` +
	`"sha256":{"S":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},` +
	`"checksum":{"M":{"algorithm":{"S":"SHA256"},"type":{"S":"full"},"value":{"S":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}},` +
	`"object":{"S":"01KE6KW3M0ABCDEFGHJKMNPQRS"},"v":{"N":"1"}}`

// BenchmarkActions is what an action costs in one process when the stores answer at once:
// the service from the gateway's handler on, and the bare calls.
func BenchmarkActions(b *testing.B) {
	client := instant{storedItem}
	db := localaws.DynamoDB("http://127.0.0.1:1", func(o *dynamodb.Options) { o.HTTPClient = client })
	objects := localaws.S3("http://127.0.0.1:1", func(o *s3.Options) { o.HTTPClient = client })
	svc, err := service.New(service.Config{DynamoDB: db, S3: objects, Table: "bench", Bucket: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	if err := svc.Issuer.AddUser(issuer.User{Tenant: tenant, PK: 1, Username: user, Password: user, Admin: true, Active: true}); err != nil {
		b.Fatal(err)
	}
	login := httptest.NewRequest(http.MethodPost, "/v1/auth/obtain", strings.NewReader(`{"username":"admin@bench","password":"admin"}`))
	login.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	svc.ServeHTTP(answer, login)
	var pair struct{ Access string }
	if err := json.Unmarshal(answer.Body.Bytes(), &pair); err != nil {
		b.Fatal(err)
	}
	for _, request := range []struct {
		name, method, path string
		body               []byte
		bare               func(context.Context, *bare) error
	}{
		{"retrieve", "GET", "/v1/job-outputs/7", nil, func(ctx context.Context, b *bare) error { _, err := b.output(ctx, 7); return err }},
		{"list", "POST", "/v1/job-outputs/list", []byte(`{"expressions":[{"type":"exact","field":"job","value":100}]}`), func(ctx context.Context, b *bare) error { return b.list(ctx, 100) }},
		{"download", "POST", "/v1/job-outputs/7/download", nil, func(ctx context.Context, b *bare) error { return b.download(ctx, 7) }},
		{"add", "POST", "/v1/jobs/100/outputs/name/bin", content, func(ctx context.Context, b *bare) error { return b.add(ctx, 100, "name") }},
	} {
		b.Run(request.name+"/service", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(request.method, request.path, bytes.NewReader(request.body))
				r.Header.Set("Authorization", "Bearer "+pair.Access)
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				svc.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
		b.Run(request.name+"/bare", func(b *testing.B) {
			calls := &bare{dynamodb: db, s3: objects, table: "bench", bucket: "bench"}
			b.ReportAllocs()
			for b.Loop() {
				if err := request.bare(b.Context(), calls); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
