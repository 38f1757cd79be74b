package outputs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/table"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestLinkEnds: a link ends when it was asked to, or with the credentials that signed it.
func TestLinkEnds(t *testing.T) {
	t.Parallel()
	plain := storetest.New(t)
	plain.StartedJob(t, 1)
	added := plain.Add(t, storetest.Addition(1, "model", "bin", "hello"))
	for _, tc := range []struct {
		credentials aws.Credentials
		want        time.Duration
	}{
		{aws.Credentials{}, 10 * time.Minute},
		{aws.Credentials{CanExpire: true, Expires: storetest.Epoch.Add(time.Hour)}, 10 * time.Minute},
		{aws.Credentials{CanExpire: true, Expires: storetest.Epoch.Add(3 * time.Minute)}, 3 * time.Minute},
	} {
		tc.credentials.AccessKeyID, tc.credentials.SecretAccessKey = "id", "secret"
		signing := localaws.S3(plain.AWS.S3Endpoint, func(o *s3.Options) {
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return tc.credentials, nil })
		})
		s := plain.With(func(cfg *table.Config) { cfg.S3 = signing })
		link, err := s.Outputs.Presign(storetest.Acting(t), storetest.Tenant, &added, "attachment", 10*time.Minute)
		if want := storetest.Epoch.Add(tc.want).Truncate(time.Second); err != nil || !link.Expires.Equal(want) || !strings.Contains(link.URL, "X-Amz-Expires=600&") {
			t.Errorf("credentials that end at %s: %+v, %v; want the end %s", tc.credentials.Expires, link, err, want)
		}
	}
}
