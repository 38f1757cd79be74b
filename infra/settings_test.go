package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFromContext(t *testing.T) {
	for _, tt := range []struct {
		name    string
		context map[string]string
		want    settings
	}{
		{"nothing", nil, settings{
			Name: "joboutputs", Stage: "dev", Arch: "arm64", Streaming: true, Origins: []string{"*"}, Alarms: true, LogRole: true, Build: "build",
		}},
		{"everything", map[string]string{
			"name": "mine-2", "stage": "prod", "arch": "x86_64", "streaming": "off", "origins": "https://a.test,http://localhost:8080",
			"issuer": "https://issuer.test/", "audience": "us", "token-uses": "access,id", "claims": "tenant=org",
			"shards": "2", "read-shards": "8", "endpoint-url": "http://localhost:4566", "alarm-topic": "arn:aws:sns:::x", "alarms": "off", "log-role": "off", "build": "elsewhere",
		}, settings{
			Name: "mine-2", Stage: "prod", Arch: "x86_64", Origins: []string{"https://a.test", "http://localhost:8080"},
			OIDC: &oidc{
				Issuer: "https://issuer.test/", Audience: "us", JWKS: "https://issuer.test/.well-known/jwks.json",
				Uses: "access,id", Claims: "tenant=org",
			},
			Shards: 2, ReadShards: 8,
			EndpointURL: "http://localhost:4566", AlarmTopic: "arn:aws:sns:::x", Build: "elsewhere",
		}},
	} {
		got, err := fromContext(func(name string) string { return tt.context[name] })
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFromContextRefuses(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"stage", "test", "dev, prod"},
		{"arch", "amd64", "arm64, x86_64"},
		{"streaming", "true", "on, off"},
		{"log-role", "no", "on, off"},
		{"alarms", "no", "on, off"},
		{"name", "Jobs", "a letter"},
		{"name", strings.Repeat("a", 21), "a letter"}, // with stage and action it must fit a function's name
		{"origins", "example.org", "not an origin"},
		{"origins", "https://a.test,*", "not an origin"},
		{"origins", `https://a.test",https://b.test`, "not an origin"},
		{"issuer", "https://issuer.test", "audience"},
		{"audience", "us", "issuer"},
		{"shards", "0", "from 1 to 64"},
		{"shards", "many", "from 1 to 64"},
		{"read-shards", "65", "from 1 to 64"},
		{"read-shards", "2", "in more shards"}, // the default wrote into four
		{"claims", "tenant=org", "issuer"},
	} {
		_, err := fromContext(func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "-c "+tt.name) {
			t.Errorf("-c %s=%s: %v", tt.name, tt.value, err)
		}
	}
}
