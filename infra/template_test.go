package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"

	"joboutputs/functions"
)

var update = flag.Bool("update", false, "write testdata/ anew")

// The stacks that are synthesized, once, for all tests: as they come, for production, and
// on an emulator with tokens of another issuer.
var (
	dev  = settings{Name: "joboutputs", Stage: "dev", Arch: "arm64", Streaming: true, Origins: []string{"*"}, Alarms: true, LogRole: true}
	prod = settings{
		Name: "joboutputs", Stage: "prod", Arch: "x86_64", Streaming: true, Alarms: true, LogRole: true,
		Origins: []string{"https://a.test", "https://b.test:8443"}, AlarmTopic: "arn:aws:sns:eu-central-1:123456789012:alarms",
		Shards: 2, ReadShards: 8,
	}
	emulated = settings{
		Name: "emulated", Stage: "dev", Arch: "x86_64", Origins: []string{"*"}, EndpointURL: "http://localhost:4566",
		OIDC: &oidc{Issuer: "https://issuer.test", Audience: "us", JWKS: "https://issuer.test/keys", Uses: "access"},
	}
	synthesized = map[string]*template{}
	bootstraps  string // the folder of the files that stand for binaries
	assembly    string // the folder of the templates and assets
)

func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "joboutputs-infra-")
	if err == nil {
		err = prepare(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.Stderr = nil // see main
	jsii.Close()
	os.RemoveAll(folder)
	os.Exit(code)
}

// prepare makes the templates, over bootstraps that are only told apart by their names.
func prepare(folder string) error {
	bootstraps = filepath.Join(folder, "build")
	for _, f := range functions.Catalogue() {
		dir := filepath.Join(bootstraps, string(f.Name))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(f.Name), 0o755); err != nil {
			return err
		}
	}
	assembly = filepath.Join(folder, "cdk.out")
	templates, err := synthesize(assembly, dev, prod, emulated)
	for _, t := range templates {
		synthesized[t.settings.stack()] = t
	}
	return err
}

// synthesize makes the stacks in one app, as the CDK's command would.
func synthesize(outdir string, all ...settings) ([]*template, error) {
	text, err := os.ReadFile("../cdk.json")
	if err != nil {
		return nil, err
	}
	var cdk struct{ Context map[string]any }
	if err := json.Unmarshal(text, &cdk); err != nil {
		return nil, fmt.Errorf("cdk.json: %w", err)
	}
	cdk.Context["aws:cdk:enable-asset-metadata"] = true // what the CDK's command adds by default
	app := newApp(cdk.Context, &outdir)
	for _, s := range all {
		s.Build = bootstraps
		newStack(app, s)
	}
	app.Synth(nil)
	var templates []*template
	for _, s := range all {
		text, err := os.ReadFile(filepath.Join(outdir, s.stack()+".template.json"))
		if err != nil {
			return nil, err
		}
		t := &template{settings: s, text: string(text)}
		if err := json.Unmarshal(text, t); err != nil {
			return nil, err
		}
		templates = append(templates, t)
	}
	return templates, nil
}

// template is what CloudFormation gets.
type template struct {
	settings  settings
	text      string
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type           string
	Properties     map[string]any
	Metadata       map[string]any
	DeletionPolicy string
}

// eachStack runs a test on every template.
func eachStack(t *testing.T, test func(*testing.T, *template)) {
	for name, tmpl := range synthesized {
		t.Run(name, func(t *testing.T) { test(t, tmpl) })
	}
}

// all are the resources of a type, by logical id.
func (t *template) all(kind string) map[string]resource {
	found := map[string]resource{}
	for id, r := range t.Resources {
		if r.Type == kind {
			found[id] = r
		}
	}
	return found
}

// one is the only resource of a type.
func (t *template) one(tb testing.TB, kind string) resource {
	tb.Helper()
	found := t.all(kind)
	if len(found) != 1 {
		tb.Fatalf("there are %d of %s, want 1", len(found), kind)
	}
	for _, r := range found {
		return r
	}
	panic("unreachable")
}

// function is the Lambda of a row.
func (t *template) function(tb testing.TB, name string) resource {
	tb.Helper()
	for _, r := range t.all("AWS::Lambda::Function") {
		if r.Properties["FunctionName"] == t.settings.stack()+"-"+name {
			return r
		}
	}
	tb.Fatalf("no function %s", name)
	panic("unreachable")
}

// get follows a path of names and indexes, e.g. "Policies.0.PolicyDocument"; nil where it
// leads nowhere.
func get(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

func (r resource) get(path string) any { return get(r.Properties, path) }

// str is a value as a person would write it: "${Table.Arn}/index/timeline". What the CDK
// appends to logical ids is left out.
func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		for function, argument := range v {
			switch function {
			case "Ref":
				return "${" + short(argument.(string)) + "}"
			case "Fn::GetAtt":
				return "${" + short(str(get(argument, "0"))) + "." + str(get(argument, "1")) + "}"
			case "Fn::Join":
				var parts []string
				for _, part := range get(argument, "1").([]any) {
					parts = append(parts, str(part))
				}
				return strings.Join(parts, str(get(argument, "0")))
			case "Fn::Sub":
				if text, ok := argument.(string); ok {
					return text
				}
				text := str(get(argument, "0"))
				for name, value := range get(argument, "1").(map[string]any) {
					text = strings.ReplaceAll(text, "${"+name+"}", str(value))
				}
				return text
			}
		}
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// strs is a list, or a single value in place of one.
func strs(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{str(v)}
	}
	var all []string
	for _, item := range list {
		all = append(all, str(item))
	}
	slices.Sort(all)
	return all
}

var hash = regexp.MustCompile(`([0-9A-F]{8})+([0-9a-f]{32})?$`)

func short(id string) string {
	if strings.HasPrefix(id, "AWS::") {
		return id
	}
	return hash.ReplaceAllString(id, "")
}
