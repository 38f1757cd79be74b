// Package config is the only reader of the environment. Each function reads just the
// section it needs, once, when its Lambda starts; a variable that is missing or malformed
// ends the process with one line that names it.
package config

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The variables. The stack sets them from the catalogue; README has the table.
const (
	Table       = "JOBOUTPUTS_TABLE"
	Bucket      = "JOBOUTPUTS_BUCKET"
	Shards      = "JOBOUTPUTS_TIMELINE_SHARDS"
	ReadShards  = "JOBOUTPUTS_TIMELINE_READ_SHARDS"
	S3PathStyle = "JOBOUTPUTS_S3_PATH_STYLE"
	StreamingOn = "JOBOUTPUTS_STREAMING"
	Grace       = "JOBOUTPUTS_CLEANUP_GRACE"
	MaxUpload   = "JOBOUTPUTS_UPLOAD_MAX_SIZE"
	UploadLife  = "JOBOUTPUTS_UPLOAD_LIFE"

	TokenIssuer   = "JOBOUTPUTS_TOKEN_ISSUER"
	TokenAudience = "JOBOUTPUTS_TOKEN_AUDIENCE"
	TokenJWKS     = "JOBOUTPUTS_TOKEN_JWKS_URL"
	TokenUses     = "JOBOUTPUTS_TOKEN_USES"
	TokenClaims   = "JOBOUTPUTS_TOKEN_CLAIMS"

	UserPoolID     = "JOBOUTPUTS_USER_POOL_ID"
	UserPoolClient = "JOBOUTPUTS_USER_POOL_CLIENT"
)

// AWS is the SDK's configuration as Lambda gives it: region, the role's credentials, and
// AWS_ENDPOINT_URL where the stack runs on an emulator. The SDK's own search for
// credentials in files, single sign-on and instance metadata would find nothing in a
// Lambda, and makes its binary a fifth larger.
func AWS() aws.Config {
	cfg := aws.Config{
		Region: required("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
	}
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		cfg.BaseEndpoint = &endpoint
		cfg.HTTPClient = HTTP1()
	}
	return cfg
}

// HTTP1 is a client for emulators: they offer HTTP/2, which AWS's own endpoints of
// DynamoDB and S3 do not, and drop connections of it in the middle of requests
// (test/e2e/EMULATOR.md).
func HTTP1() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ForceAttemptHTTP2 = false
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	})
}

// StorageSection is where outputs are kept.
type StorageSection struct {
	AWS                aws.Config
	Table, Bucket      string
	Shards, ReadShards int  // of the timeline; 0 = the store's default
	PathStyle          bool // buckets in the path: emulators have no host names for them
	Uploads            UploadsSection
}

// Storage reads the section.
func Storage() StorageSection {
	return StorageSection{
		AWS:        AWS(),
		Table:      required(Table),
		Bucket:     required(Bucket),
		Shards:     optional(Shards, 0, count),
		ReadShards: optional(ReadShards, 0, count),
		PathStyle:  optional(S3PathStyle, false, strconv.ParseBool),
		Uploads:    Uploads(),
	}
}

// UploadsSection is how large staged uploads may be, and how long they may take.
type UploadsSection struct {
	MaxSize int64         // bytes; 0 = the store's default
	Life    time.Duration // 0 = the store's default
}

// Uploads reads the section.
func Uploads() UploadsSection {
	return UploadsSection{MaxSize: int64(optional(MaxUpload, 0, count)), Life: optional(UploadLife, 0, age)}
}

// Streaming reports whether streamed functions really stream: the default. Where the
// target has no response streaming it is false, and large bytes redirect.
func Streaming() bool { return optional(StreamingOn, true, strconv.ParseBool) }

// CleanupGrace is how old something unfinished must be before the cleanup takes it on;
// fallback is the store's own.
func CleanupGrace(fallback time.Duration) time.Duration {
	return optional(Grace, fallback, age)
}

// TokensSection is which tokens are accepted.
type TokensSection struct {
	Issuer   string            // iss, exact
	Audience string            // aud, exact; client_id where Claims says aud=client_id
	JWKS     string            // URL of the issuer's keys
	Uses     []string          // token_use values accepted; none = the verifier's default
	Claims   map[string]string // name in the token for each of the verifier's names
}

// Tokens reads the section.
func Tokens() TokensSection {
	return TokensSection{
		Issuer:   required(TokenIssuer),
		Audience: required(TokenAudience),
		JWKS:     required(TokenJWKS),
		Uses:     optional(TokenUses, nil, words),
		Claims:   optional(TokenClaims, nil, pairs),
	}
}

// UserPoolSection is the Cognito user pool that issues tokens.
type UserPoolSection struct {
	AWS          aws.Config
	ID, ClientID string
}

// UserPool reads the section.
func UserPool() UserPoolSection {
	return UserPoolSection{AWS: AWS(), ID: required(UserPoolID), ClientID: required(UserPoolClient)}
}

func required(name string) string {
	value := os.Getenv(name)
	if value == "" {
		exit("%s is not set", name)
	}
	return value
}

func optional[T any](name string, fallback T, parse func(string) (T, error)) T {
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	value, err := parse(text)
	if err != nil {
		exit("%s: %v", name, err)
	}
	return value
}

// count reads a number of at least 1.
func count(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is less than 1", n)
	}
	return n, err
}

// age reads a duration that is not negative, such as "90m".
func age(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is negative", d)
	}
	return d, err
}

// words reads "a,b".
func words(text string) ([]string, error) { return strings.Split(text, ","), nil }

// pairs reads "tenant=custom:tenant,upk=custom:upk".
func pairs(text string) (map[string]string, error) {
	all := map[string]string{}
	for item := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%q is not name=value", item)
		}
		all[name] = value
	}
	return all, nil
}

func exit(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "configuration: "+format+"\n", args...)
	os.Exit(1)
}
