package openapicheck

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/functions/jobs/addoutput"
	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/filter"
	"joboutputs/shared/jobs"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/uploads"
)

var update = flag.Bool("update", false, "write shared/api/openapi.json")

const folder = "../../shared/api/"

// TestJSON holds the JSON that is served equal to the YAML that is written.
func TestJSON(t *testing.T) {
	yaml, err := os.ReadFile(folder + "openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := toJSON(yaml)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(folder+"openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), api.OpenAPI()); diff != "" {
		t.Errorf("openapi.json is not openapi.yaml: go generate ./shared/api (-want +got):\n%s", diff)
	}
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestRoutes holds that the catalogue and the document name the same routes, and who may
// use them.
func TestRoutes(t *testing.T) {
	names := map[auth.Access]string{
		auth.Nobody: "nobody", auth.Anyone: "anyone", auth.Authenticated: "authenticated",
		auth.Node: "node", auth.Owner: "owner", auth.OwnerOrAdmin: "owner-or-admin", auth.Admin: "admin",
	}
	want := map[string]string{}
	add := func(action auth.Action, routes []functions.Route) {
		access, _ := auth.AccessOf(action)
		for _, r := range routes {
			for _, method := range r.Methods {
				want[method+" "+r.Resource] = names[access]
			}
		}
	}
	for _, f := range functions.Catalogue() {
		add(f.Name, f.Routes)
	}
	add(auth.OutputsWrite, functions.Refused)

	got, open := map[string]string{}, map[string]bool{}
	for template, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			key := method + " " + template
			got[key], _ = op.Extensions["x-access"].(string)
			open[key] = op.Security != nil && len(*op.Security) == 0
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes and who may use them (-catalogue +document):\n%s", diff)
	}
	for key, access := range got {
		if open[key] != (access == "anyone") {
			t.Errorf("%s is for %s, and open without a token: %t", key, access, open[key])
		}
	}
}

// TestCodes holds that the document's list of codes is package problem's, that each has an example,
// and that an answer with the code has the code's status.
func TestCodes(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../../shared/problem/problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Kind" {
				code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, code)
			}
		}
		return true
	})
	doc := document(t)
	var got []string
	for _, code := range doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		got = append(got, code.(string))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-problem +document):\n%s", diff)
	}

	answered := map[string]bool{}
	for name, response := range doc.Components.Responses {
		declared := response.Value.Content["application/problem+json"]
		if declared == nil {
			continue
		}
		narrowed := declared.Schema.Value.AllOf[1].Value.Properties
		status, _ := narrowed["status"].Value.Const.(float64)
		for _, code := range narrowed["code"].Value.Enum {
			answered[code.(string)] = true
			if want := api.Status(problem.Kind(code.(string))); int(status) != want {
				t.Errorf("responses.%s: %s with status %v, want %d", name, code, status, want)
			}
		}
		for _, example := range declared.Examples {
			code, _ := example.Value.Value.(map[string]any)["code"].(string)
			if !slices.Contains(narrowed["code"].Value.Enum, any(code)) {
				t.Errorf("responses.%s: an example of %s", name, code)
			}
		}
	}
	for _, code := range want {
		if !answered[code] {
			t.Errorf("%s is in no answer of the document", code)
		}
	}
}

// TestStatuses holds that an answer listed under a status is one of that status.
func TestStatuses(t *testing.T) {
	for template, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				declared := response.Value.Content["application/problem+json"]
				if declared == nil {
					if status >= "400" {
						t.Errorf("%s %s: %s is not a problem document", method, template, status)
					}
					continue
				}
				if got := fmt.Sprint(declared.Schema.Value.AllOf[1].Value.Properties["status"].Value.Const); got != status {
					t.Errorf("%s %s: under %s is the answer of %s", method, template, status, got)
				}
			}
		}
	}
}

// TestLimits holds the document's numbers equal to the code's.
func TestLimits(t *testing.T) {
	doc := document(t)
	schemas, parameters := doc.Components.Schemas, doc.Components.Parameters
	text := doc.Info.Description
	for what, pair := range map[string][2]int{
		"name":         {int(*parameters["OutputName"].Value.Schema.Value.MaxLength), outputs.MaxName},
		"type":         {int(*parameters["OutputType"].Value.Schema.Value.MaxLength), outputs.MaxType},
		"primary key":  {int(*schemas["PrimaryKey"].Value.Max), auth.MaxPK},
		"key ahead":    {numberIn(t, text, `given to a job: at most ([0-9,]+) above`), jobs.MaxPKAhead},
		"limit":        {int(*schemas["ListSpecification"].Value.Properties["limit"].Value.Max), filter.MaxLimit},
		"add":          {numberIn(t, text, `one request: ([0-9,]+) bytes`), addoutput.MaxContent},
		"body":         {numberIn(t, text, `JSON body: 256 KiB \(([0-9,]+) bytes\)`), api.MaxBody},
		"depth":        {numberIn(t, text, `nested at most ([0-9,]+) deep`), api.MaxDepth},
		"terms":        {numberIn(t, text, `at most ([0-9,]+) field expressions`), filter.MaxTerms},
		"inline":       {numberIn(t, text, `4 MiB \(([0-9,]+) bytes\)`), delivery.MaxInline},
		"streamed":     {numberIn(t, text, `200 MB \(([0-9,]+) bytes\)`), delivery.MaxStreamed},
		"link minutes": {numberIn(t, text, `Links to content: work for ([0-9]+) minutes`), int(delivery.LinkLife.Minutes())},
		"upload":       {numberIn(t, text, `50 GB \(([0-9,]+) bytes\)`), uploads.DefaultMaxSize},
		"parts":        {numberIn(t, text, `at most ([0-9,]+) parts of 5 MiB to 5 GiB`), uploads.MaxParts},
		"single part":  {numberIn(t, text, `64 MiB \(([0-9,]+) bytes\)`), uploads.MaxSinglePart},
		"upload hours": {numberIn(t, text, `expires after ([0-9]+) hours`), int(uploads.DefaultLife.Hours())},
		"part minutes": {numberIn(t, text, `a part's link works for ([0-9]+) minutes`), int(uploads.LinkLife.Minutes())},
		"least part":   {int(*schemas["NewUpload"].Value.Properties["part_size"].Value.Min), uploads.MinPartSize},
		"largest part": {int(*schemas["NewUpload"].Value.Properties["part_size"].Value.Max), uploads.MaxPartSize},
		"page":         {numberIn(t, text, `Page of a list: ([0-9,]+) outputs`), filter.MaxLimit},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: the document says %d, the code %d", what, pair[0], pair[1])
		}
	}
}

func numberIn(t *testing.T, text, pattern string) int {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Errorf("the description has no %s", pattern)
		return 0
	}
	n, err := strconv.Atoi(strings.ReplaceAll(match[1], ",", ""))
	if err != nil {
		t.Error(err)
	}
	return n
}

// TestFields holds that every field of the document is one of the filter language, and
// that its examples are in it.
func TestFields(t *testing.T) {
	doc := document(t)
	for _, field := range doc.Components.Schemas["Field"].Value.Enum {
		if _, err := filter.Parse(fmt.Appendf(nil, `{"expressions":[{"type":"is_null","field":%q}]}`, field)); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
	list := doc.Paths.Value("/v1/job-outputs/list").Post
	for name, example := range list.RequestBody.Value.Content["application/json"].Examples {
		body, err := json.Marshal(example.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := filter.Parse(body); err != nil {
			t.Errorf("example %s: %v", name, err)
		}
	}
}

// TestUsed holds that no reusable part of the document is left over.
func TestUsed(t *testing.T) {
	components := document(t).Components
	names := map[string][]string{
		"schemas":    slices.Collect(maps.Keys(components.Schemas)),
		"responses":  slices.Collect(maps.Keys(components.Responses)),
		"parameters": slices.Collect(maps.Keys(components.Parameters)),
		"headers":    slices.Collect(maps.Keys(components.Headers)),
		"examples":   slices.Collect(maps.Keys(components.Examples)),
	}
	for kind, all := range names {
		for _, name := range all {
			used := strings.Contains(api.OpenAPI(), `"#/components/`+kind+`/`+name+`"`)
			if !used && name != "MethodNotAllowed" { // which is every route's and so no operation's
				t.Errorf("components.%s.%s is not used", kind, name)
			}
		}
	}
}
