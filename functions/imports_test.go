package functions_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions"
	"joboutputs/shared/auth"
)

// module is the name all our import paths begin with.
const module = "joboutputs"

type pkg struct {
	ImportPath   string
	Name         string
	Imports      []string
	Deps         []string
	TestImports  []string // of the tests in the package itself
	XTestImports []string // of the tests in its _test package
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// TestImports verifies who may import whom: infra and test import functions, functions
// import shared, and no arrow points back. The tests of shared import shared, and of the
// local servers only those in shared/localaws.
func TestImports(t *testing.T) {
	within := func(path, folder string) bool {
		full := module + "/" + folder
		return path == full || strings.HasPrefix(path, full+"/")
	}
	isAction := func(p pkg) bool {
		return within(p.ImportPath, "functions") && p.Name != "main" && p.ImportPath != module+"/functions"
	}

	// The layers of the domain, from the bottom: a package imports lower ones only.
	layers := [][]string{{"table"}, {"users"}, {"idempotency"}, {"jobs"}, {"outputs"}, {"uploads"}, {"cleanup"}}
	layer := func(path string) int { // -1 = not of the domain
		name := strings.TrimPrefix(path, module+"/shared/")
		return slices.IndexFunc(layers, func(names []string) bool { return slices.Contains(names, name) })
	}

	rules := []struct {
		name    string
		applies func(pkg) bool
		deps    bool // all dependencies, not only what is imported
		refused func(p pkg, imported string) bool
	}{
		{
			"an action imports no AWS SDK, no Lambda package and no environment",
			func(p pkg) bool { return isAction(p) && p.ImportPath != module+"/functions/auth/authorize" },
			false,
			func(_ pkg, i string) bool {
				return strings.HasPrefix(i, "github.com/aws/") || strings.HasPrefix(i, "github.com/awslabs/") || i == "os"
			},
		},
		{
			"an action imports shared, not other actions",
			isAction, true,
			func(p pkg, i string) bool { return within(i, "functions") && i != p.ImportPath },
		},
		{
			"an action does not import the table",
			isAction, false,
			func(_ pkg, i string) bool { return i == module+"/shared/table" },
		},
		{
			"a package of the domain imports lower layers only",
			func(p pkg) bool { return layer(p.ImportPath) >= 0 }, true,
			func(p pkg, i string) bool { return layer(i) >= layer(p.ImportPath) },
		},
		{
			"a bootstrap imports its own action and shared",
			func(p pkg) bool { return within(p.ImportPath, "functions") && p.Name == "main" }, true,
			func(p pkg, i string) bool {
				return strings.HasPrefix(i, module+"/") && !within(i, "shared") && i != strings.TrimSuffix(p.ImportPath, "/bootstrap")
			},
		},
		{
			"shared imports shared only",
			func(p pkg) bool { return within(p.ImportPath, "shared") }, true,
			func(_ pkg, i string) bool { return strings.HasPrefix(i, module+"/") && !within(i, "shared") },
		},
		{
			"the service and its programs do not import what verifies or operates it",
			func(p pkg) bool { return !within(p.ImportPath, "test") && !within(p.ImportPath, "infra") }, true,
			func(_ pkg, i string) bool { return within(i, "infra") || within(i, "test") },
		},
		{
			"infra does not import test",
			func(p pkg) bool { return within(p.ImportPath, "infra") }, true,
			func(_ pkg, i string) bool { return within(i, "test") },
		},
		{
			"only test, infra/local and tests import the local servers",
			func(p pkg) bool {
				return !within(p.ImportPath, "test") && !within(p.ImportPath, "infra/local") && !within(p.ImportPath, "shared/localaws")
			}, true,
			func(_ pkg, i string) bool { return within(i, "shared/localaws") },
		},
		{
			"CDK is for infra alone",
			func(p pkg) bool { return p.ImportPath != module+"/infra" }, true,
			func(_ pkg, i string) bool {
				return strings.HasPrefix(i, "github.com/aws/aws-cdk-go") || strings.HasPrefix(i, "github.com/aws/constructs-go")
			},
		},
		{
			"tokens are verified by the authorizer and verify alone",
			func(p pkg) bool {
				return within(p.ImportPath, "functions") && p.Name == "main" && !within(p.ImportPath, "functions/auth")
			}, true,
			func(_ pkg, i string) bool { return within(i, "shared/token") || within(i, "shared/cognito") },
		},
		{
			"the environment is read by config alone", // client/files needs os for files, and is for programs of users
			func(p pkg) bool {
				return p.ImportPath != module+"/shared/client/files" && (within(p.ImportPath, "shared") || within(p.ImportPath, "functions")) && !within(p.ImportPath, "shared/config") &&
					!within(p.ImportPath, "shared/localaws") && !within(p.ImportPath, "shared/api")
			}, false,
			func(_ pkg, i string) bool { return i == "os" },
		},
		{
			"the client is light: it brings nothing of AWS and of ours, but how a zip is made, into who imports it",
			func(p pkg) bool { return within(p.ImportPath, "shared/client") }, true,
			func(_ pkg, i string) bool {
				return strings.HasPrefix(i, "github.com/") || within(i, "shared") && !within(i, "shared/client") && i != module+"/shared/archive"
			},
		},
		{
			"the filter language is pure",
			func(p pkg) bool { return p.ImportPath == module+"/shared/filter" }, true,
			func(_ pkg, i string) bool { return strings.HasPrefix(i, "github.com/aws/") || i == "net/http" },
		},
	}
	packages := listPackages(t)
	for _, p := range packages {
		for _, i := range append(p.TestImports, p.XTestImports...) {
			if within(p.ImportPath, "shared") && strings.HasPrefix(i, module+"/") && !within(i, "shared") {
				t.Errorf("a test of %s imports %s", p.ImportPath, i)
			}
			if !within(p.ImportPath, "test") && within(i, "test") {
				t.Errorf("a test of %s imports %s", p.ImportPath, i)
			}
		}
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			applied := false
			for _, p := range packages {
				if !rule.applies(p) {
					continue
				}
				applied = true
				imports := p.Imports
				if rule.deps {
					imports = p.Deps
				}
				for _, i := range imports {
					if rule.refused(p, i) {
						t.Errorf("%s imports %s", p.ImportPath, i)
					}
				}
			}
			if !applied {
				t.Error("the rule applies to no package")
			}
		})
	}
}

// TestNames verifies that a function has one name everywhere: its row, its folder,
// its bootstrap and its event.
func TestNames(t *testing.T) {
	var rows []string
	for _, f := range functions.Catalogue() {
		rows = append(rows, string(f.Name))
	}
	slices.Sort(rows)
	if diff := cmp.Diff(rows, slices.Compact(slices.Clone(rows))); diff != "" {
		t.Errorf("rows with the same name (-rows +unique):\n%s", diff)
	}

	var bootstraps []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "bootstrap" {
			bootstraps = append(bootstraps, strings.ReplaceAll(filepath.ToSlash(filepath.Dir(path)), "/", "-"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(bootstraps)
	if diff := cmp.Diff(rows, bootstraps); diff != "" {
		t.Errorf("rows and folders with a bootstrap differ (-rows +folders):\n%s", diff)
	}

	files, err := filepath.Glob("../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); name != "env" { // variables for `sam local`
			events = append(events, name)
		}
	}
	slices.Sort(events)
	if diff := cmp.Diff(rows, events); diff != "" {
		t.Errorf("rows and events differ (-rows +events):\n%s", diff)
	}
}

// TestRows holds what every row must say.
func TestRows(t *testing.T) {
	seen := map[string]string{}
	for _, f := range functions.Catalogue() {
		kinds := 0
		for _, set := range []bool{f.HTTP != nil, f.Authorizer != nil, f.Schedule != nil} {
			if set {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%s is of %d kinds, want 1", f.Name, kinds)
		}
		if (f.HTTP != nil) != (len(f.Routes) > 0) {
			t.Errorf("%s: routes are for HTTP functions, and those have some", f.Name)
		}
		if f.Memory < 128 || f.Timeout <= 0 {
			t.Errorf("%s: memory %d MB, time-out %s", f.Name, f.Memory, f.Timeout)
		}
		for _, route := range f.Routes {
			if access, ok := auth.AccessOf(f.Name); !ok || access == auth.Nobody {
				t.Errorf("%s has a route and no row in the table of auth.May", f.Name)
			}
			for _, method := range route.Methods {
				key := method + " " + route.Resource
				if other, ok := seen[key]; ok {
					t.Errorf("%s is a route of %s and of %s", key, other, f.Name)
				}
				seen[key] = string(f.Name)
			}
		}
	}
}
