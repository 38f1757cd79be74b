package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// method is a method of the API as the template has it.
type method struct {
	resource
	path string
}

func (m method) key() string    { return str(m.get("HttpMethod")) + " " + m.path }
func (m method) mock() bool     { return m.get("Integration.Type") == "MOCK" }
func (m method) status() string { return str(m.get("Integration.IntegrationResponses.0.StatusCode")) }

// header is a constant header of a mock's answer.
func (m method) header(name string) string {
	values, _ := m.get("Integration.IntegrationResponses.0.ResponseParameters").(map[string]any)
	return strings.Trim(str(values["method.response.header."+name]), "'")
}

// methods are all methods of the API, by method and path.
func (t *template) methods() map[string]method {
	var pathOf func(ref any) string
	pathOf = func(ref any) string {
		id, ok := get(ref, "Ref").(string)
		if !ok {
			return "" // the root
		}
		r := t.Resources[id]
		return pathOf(r.get("ParentId")) + "/" + str(r.get("PathPart"))
	}
	found := map[string]method{}
	for _, r := range t.all("AWS::ApiGateway::Method") {
		m := method{resource: r, path: pathOf(r.get("ResourceId"))}
		found[m.key()] = m
	}
	return found
}

// TestMethods holds that the API has the routes of the catalogue and no others, each with
// its authorizer and its function; and that of the rest only OPTIONS and 405 are public.
func TestMethods(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		s, methods := tmpl.settings, tmpl.methods()
		want := map[string]string{} // what answers
		for _, row := range rows(s) {
			for _, route := range row.Routes {
				for _, m := range route.Methods {
					want[m+" "+route.Resource] = string(row.Name)
				}
			}
		}
		for _, route := range functions.Refused {
			for _, m := range route.Methods {
				want[m+" "+route.Resource] = "403"
			}
		}
		for key := range want {
			_, path, _ := strings.Cut(key, " ")
			want["OPTIONS "+path], want["ANY "+path] = "200", "405"
		}
		got := map[string]string{}
		for key, m := range methods {
			if m.mock() {
				got[key] = m.status()
				continue
			}
			for _, row := range rows(s) {
				if strings.Contains(str(m.get("Integration.Uri")), "${"+construct(string(row.Name))+".Arn}/") {
					got[key] = string(row.Name)
				}
			}
			if m.get("Integration.Type") != "AWS_PROXY" || m.get("Integration.IntegrationHttpMethod") != "POST" {
				t.Errorf("%s: integration %s", key, str(m.get("Integration")))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("methods and what answers them (-want +got):\n%s", diff)
		}
		for key, m := range methods {
			access, _ := auth.AccessOf(auth.Action(got[key]))
			public := access == auth.Anyone || got[key] == "200" || got[key] == "405"
			switch m.get("AuthorizationType") {
			case "NONE":
				if !public {
					t.Errorf("%s is public", key)
				}
			case "CUSTOM":
				if public || str(m.get("AuthorizerId")) != "${Authorizer}" {
					t.Errorf("%s is not", key)
				}
			default:
				t.Errorf("%s: %v", key, m.get("AuthorizationType"))
			}
			if public && access == auth.Anyone && !strings.HasPrefix(got[key], "auth-") && !strings.HasPrefix(got[key], "docs-") {
				t.Errorf("%s is public and neither auth nor docs", key)
			}
		}
	})
}

// TestStreaming holds that streamed rows stream where they may, for as long as they take.
func TestStreaming(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		s := tmpl.settings
		for _, row := range rows(s) {
			for _, route := range row.Routes {
				for _, name := range route.Methods {
					m := tmpl.methods()[name+" "+route.Resource]
					mode, uri := str(m.get("Integration.ResponseTransferMode")), str(m.get("Integration.Uri"))
					if streams(s, row) {
						want := "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${" +
							construct(string(row.Name)) + ".Arn}/response-streaming-invocations"
						if mode != "STREAM" || uri != want || str(m.get("Integration.TimeoutInMillis")) != fmt.Sprint(row.Timeout.Milliseconds()) {
							t.Errorf("%s: %s", m.key(), str(m.get("Integration")))
						}
					} else if mode != "" || !strings.HasSuffix(uri, "/invocations") || strings.Contains(uri, "streaming") || m.get("Integration.TimeoutInMillis") != nil {
						t.Errorf("%s: %s", m.key(), str(m.get("Integration")))
					}
				}
			}
		}
	})
}

// TestDeployment holds that an API that differs by nothing but streaming, which property
// overrides say, is deployed anew, and that one that differs by nothing is not.
func TestDeployment(t *testing.T) {
	buffered := dev
	buffered.Streaming = false
	for _, tt := range []struct {
		settings
		same bool
	}{{dev, true}, {buffered, false}} {
		other, err := synthesize(t.TempDir(), tt.settings)
		if err != nil {
			t.Fatal(err)
		}
		for id := range other[0].all("AWS::ApiGateway::Deployment") {
			if _, same := synthesized[dev.stack()].Resources[id]; same != tt.same {
				t.Errorf("streaming %v: the deployment is the same: %v", tt.Streaming, same)
			}
		}
		if same := other[0].text == synthesized[dev.stack()].text; same != tt.same {
			t.Errorf("streaming %v: the template is the same: %v", tt.Streaming, same)
		}
	}
}

// TestMocks holds that mocks can answer at all beside the binary media type.
func TestMocks(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		for key, m := range tmpl.methods() {
			if !m.mock() {
				continue
			}
			if m.get("Integration.ContentHandling") != "CONVERT_TO_TEXT" || m.get("Integration.PassthroughBehavior") != "NEVER" ||
				m.get("Integration.IntegrationResponses.0.ContentHandling") != "CONVERT_TO_TEXT" || m.get("Integration.IntegrationResponses.1") != nil {
				t.Errorf("%s: %s", key, str(m.get("Integration")))
			}
			templates := m.get("Integration.RequestTemplates").(map[string]any)
			for _, media := range mockTypes {
				if templates[media] != fmt.Sprintf(`{"statusCode": %s}`, m.status()) {
					t.Errorf("%s: a body of type %s gives %v", key, media, templates[media])
				}
			}
			declared := m.get("MethodResponses.0.ResponseParameters").(map[string]any)
			for name := range m.get("Integration.IntegrationResponses.0.ResponseParameters").(map[string]any) {
				if declared[name] != true {
					t.Errorf("%s: %s is mapped and not declared, so it is not sent", key, name)
				}
			}
			if str(m.get("MethodResponses.0.StatusCode")) != m.status() {
				t.Errorf("%s: another status is declared", key)
			}
		}
	})
}

// TestPreflight holds who may call from a browser, and with what.
func TestPreflight(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		origins := tmpl.settings.Origins
		for key, m := range tmpl.methods() {
			if m.status() != "200" {
				continue
			}
			if got := m.header("Access-Control-Allow-Origin"); got != origins[0] {
				t.Errorf("%s allows %s", key, got)
			}
			allowed := strings.Split(m.header("Access-Control-Allow-Headers"), ", ")
			for _, name := range []string{"Authorization", "Node-Id", "Idempotency-Key", "Repr-Digest", "Content-Digest", "Content-MD5", "X-Amz-Checksum-Sha256"} {
				if !slices.Contains(allowed, name) {
					t.Errorf("%s does not allow %s", key, name)
				}
			}
			text := str(m.get("Integration.IntegrationResponses.0.ResponseTemplates.application/json"))
			for _, origin := range origins[1:] {
				if !strings.Contains(text, `$origin == "`+origin+`"`) {
					t.Errorf("%s does not know %s", key, origin)
				}
			}
			if len(origins) == 1 && text != "" {
				t.Errorf("%s: %s", key, text)
			}
		}
	})
}

// TestGatewayResponses holds that API Gateway's own answers are problem documents that
// tell nothing of the request.
func TestGatewayResponses(t *testing.T) {
	eachStack(t, func(t *testing.T, tmpl *template) {
		want := gatewayResponses()
		if got := len(tmpl.all("AWS::ApiGateway::GatewayResponse")); got != len(want) {
			t.Errorf("%d answers, want %d", got, len(want))
		}
		for id, r := range tmpl.all("AWS::ApiGateway::GatewayResponse") {
			f := want[str(r.get("ResponseType"))]
			if f == nil {
				t.Errorf("%s is of type %s", id, str(r.get("ResponseType")))
				continue
			}
			headers := r.get("ResponseParameters").(map[string]any)
			for name, value := range errorHeaders(f) {
				if got := headers["gatewayresponse.header."+name]; got != "'"+value+"'" {
					t.Errorf("%s: %s is %v, want %s", id, name, got, value)
				}
			}
			doc := str(r.get("ResponseTemplates.application/json"))
			if str(r.get("StatusCode")) != fmt.Sprint(api.Status(f.Kind)) || doc != string(api.Problem(f, "$context.requestId")) {
				t.Errorf("%s: %s %s", id, str(r.get("StatusCode")), doc)
			}
			if api.Status(f.Kind) == http.StatusUnauthorized != (headers["gatewayresponse.header.WWW-Authenticate"] != nil) {
				t.Errorf("%s: WWW-Authenticate belongs to a 401", id)
			}
		}
		if strings.Contains(tmpl.text, "error.message") {
			t.Error("a template repeats $context.error.message, which can hold the token")
		}
	})
}
