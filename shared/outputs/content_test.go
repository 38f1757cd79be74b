package outputs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"joboutputs/shared/outputs"
)

// TestLinkEnds: a link ends when it was asked to, or with the credentials that signed it.
func TestLinkEnds(t *testing.T) {
	t.Parallel()
	plain, a, c := newStore(t)
	startedJob(t, plain, 1)
	added := mustAdd(t, plain, addition(1, "model", "bin", "hello"))
	for _, tc := range []struct {
		credentials aws.Credentials
		want        time.Duration
	}{
		{aws.Credentials{}, 10 * time.Minute},
		{aws.Credentials{CanExpire: true, Expires: epoch.Add(time.Hour)}, 10 * time.Minute},
		{aws.Credentials{CanExpire: true, Expires: epoch.Add(3 * time.Minute)}, 3 * time.Minute},
	} {
		tc.credentials.AccessKeyID, tc.credentials.SecretAccessKey = "id", "secret"
		signing := s3.New(a.S3.Options(), func(o *s3.Options) {
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return tc.credentials, nil })
		})
		s := outputs.New(outputs.Config{DynamoDB: a.DynamoDB, S3: signing, Table: a.Table, Bucket: a.Bucket, Now: c.Now})
		link, err := s.Presign(acting(t), tenant, &added, "attachment", 10*time.Minute)
		if want := epoch.Add(tc.want).Truncate(time.Second); err != nil || !link.Expires.Equal(want) || !strings.Contains(link.URL, "X-Amz-Expires=600&") {
			t.Errorf("credentials that end at %s: %+v, %v; want the end %s", tc.credentials.Expires, link, err, want)
		}
	}
}
