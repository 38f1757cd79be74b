package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"joboutputs/shared/table"
)

// settings are what a deployment can choose, by `-c name=value`.
type settings struct {
	Name  string // stacks and functions are called <name>-<stage>…; two deployments in one account need two
	Stage string // "dev": goes without a trace when destroyed; "prod": data is kept and protected
	Arch  string // "arm64" or "x86_64"

	Streaming bool     // off where the target has no response streaming: large bytes redirect then
	Origins   []string // of browsers that may call the API; "*" alone = all

	Shards     int // over how many partitions new rows of a tenant's timeline go; 0 = the store's default
	ReadShards int // how many are read: at least Shards, and never less than it ever was; 0 = Shards

	OIDC *oidc // an issuer of one's own in place of a Cognito user pool

	EndpointURL string // of an emulator, as its functions see it; sets AWS_ENDPOINT_URL
	Alarms      bool   // off where the target has no alarms over metric math
	AlarmTopic  string // ARN of an SNS topic that hears of alarms; empty = alarms are only shown
	LogRole     bool   // whether the account's role for API Gateway's logs is made here

	Build string // the folder with <function>/bootstrap, one asset each
}

// oidc is an OpenID Connect issuer and how its tokens are read (README, "Configuration").
type oidc struct {
	Issuer, Audience string // exact
	JWKS             string // URL of the keys
	Uses, Claims     string // empty = the verifier's defaults
}

func (s settings) prod() bool    { return s.Stage == "prod" }
func (s settings) stack() string { return s.Name + "-" + s.Stage }

// maxShards bounds the shards of a timeline: every list of a tenant asks each of them.
const maxShards = 64

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,19}$`)

// fromContext reads the settings; a value that is none of those possible is an error that
// lists them.
func fromContext(get func(string) string) (settings, error) {
	var errs []string
	choice := func(name string, possible ...string) string { // the first is the default
		value := get(name)
		if value == "" {
			return possible[0]
		}
		if !slices.Contains(possible, value) {
			errs = append(errs, fmt.Sprintf("-c %s=%s: want one of %s", name, value, strings.Join(possible, ", ")))
		}
		return value
	}
	text := func(name, fallback string) string {
		if value := get(name); value != "" {
			return value
		}
		return fallback
	}
	number := func(name string, most int) int { // 0 = it was not given
		value := get(name)
		if value == "" {
			return 0
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > most {
			errs = append(errs, fmt.Sprintf("-c %s=%s: want a number from 1 to %d", name, value, most))
		}
		return n
	}
	s := settings{
		Name:        text("name", "joboutputs"),
		Stage:       choice("stage", "dev", "prod"),
		Arch:        choice("arch", "arm64", "x86_64"),
		Streaming:   choice("streaming", "on", "off") == "on",
		Origins:     strings.Split(text("origins", "*"), ","),
		Shards:      number("shards", maxShards),
		ReadShards:  number("read-shards", maxShards),
		EndpointURL: get("endpoint-url"),
		Alarms:      choice("alarms", "on", "off") == "on",
		AlarmTopic:  get("alarm-topic"),
		LogRole:     choice("log-role", "on", "off") == "on",
		Build:       text("build", "build"),
	}
	if !validName.MatchString(s.Name) {
		errs = append(errs, fmt.Sprintf("-c name=%s: want a letter, then up to 19 of a-z, 0-9 and -", s.Name))
	}
	if s.ReadShards != 0 && s.ReadShards < max(s.Shards, table.DefaultShards) {
		errs = append(errs, fmt.Sprintf("-c read-shards=%d: rows are in more shards", s.ReadShards))
	}
	for _, origin := range s.Origins {
		if origin != "*" && !validOrigin.MatchString(origin) || origin == "*" && len(s.Origins) > 1 {
			errs = append(errs, fmt.Sprintf("-c origins=…: %q is not an origin such as https://example.org", origin))
		}
	}
	if issuer := get("issuer"); issuer != "" {
		s.OIDC = &oidc{
			Issuer: issuer, Audience: get("audience"),
			JWKS: text("jwks", strings.TrimSuffix(issuer, "/")+"/.well-known/jwks.json"),
			Uses: get("token-uses"), Claims: get("claims"),
		}
		if s.OIDC.Audience == "" {
			errs = append(errs, "-c issuer=… needs -c audience=…: whom the tokens are for")
		}
	} else {
		for _, name := range []string{"audience", "jwks", "token-uses", "claims"} {
			if get(name) != "" {
				errs = append(errs, fmt.Sprintf("-c %s=… is for tokens of -c issuer=…", name))
			}
		}
	}
	if errs != nil {
		return settings{}, fmt.Errorf("%s", strings.Join(errs, "\n"))
	}
	return s, nil
}

// validOrigin is narrow because origins stand in a mapping template.
var validOrigin = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]+)?$`)
