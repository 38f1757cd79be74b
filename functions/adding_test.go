package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAddingAnAction adds an action to a copy of the project step by step, and reads off
// the tests what they say is missing: what README lists under "Adding an action" is what
// it takes, and nothing else.
func TestAddingAnAction(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles a copy of the project")
	}
	c := copyOfTheProject(t)

	c.write("functions/joboutputs/echo/echo.go", `// Package echo is GET /v1/job-outputs/{pk}/echo.
package echo

import (
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
)

// New makes the action.
func New() http.Handler {
	return api.Detail(auth.OutputsEcho, func(_ *http.Request, _ auth.Principal, pk int64) (int64, error) { return pk, nil })
}
`)
	c.write("functions/joboutputs/echo/bootstrap/main.go", `// Command bootstrap is the Lambda joboutputs-echo.
package main

import (
	"joboutputs/functions/joboutputs/echo"
	"joboutputs/shared/api"
)

func main() { api.Serve(echo.New()) }
`)
	c.replace("shared/auth/auth.go", "\tOutputsWrite ", "\tOutputsEcho Action = \"joboutputs-echo\"\n\tOutputsWrite ")
	c.fails("a folder alone", `rows and folders with a bootstrap differ`)

	c.replace("functions/catalogue.go", "\treturn []Function{\n", `	return []Function{
		{
			Name: auth.OutputsEcho, Routes: routes(output+"/echo", get),
			Memory: small, Timeout: quick,
			HTTP: func(Deps) http.Handler { return echo.New() },
		},
`)
	c.replace("functions/catalogue.go", "import (\n", "import (\n\t\"joboutputs/functions/joboutputs/echo\"\n")
	c.fails("a row", `rows and events differ`, `joboutputs-echo has a route and no row in the table of auth.May`, `/v1/job-outputs/{pk}/echo`)

	c.replace("shared/auth/auth.go", "\tOutputsRetrieve:   Authenticated,\n", "\tOutputsRetrieve:   Authenticated,\n\tOutputsEcho: Authenticated,\n")
	event := strings.NewReplacer("job-outputs/{pk}", "job-outputs/{pk}/echo", "job-outputs/5", "job-outputs/5/echo").Replace(c.read("events/joboutputs-retrieve.json"))
	c.write("events/joboutputs-echo.json", event)
	c.fails("an event and who may", `/v1/job-outputs/{pk}/echo`)

	c.replace("shared/api/openapi.yaml", "\n  /v1/job-outputs/{pk}/hard:\n", `
  /v1/job-outputs/{pk}/echo:
    parameters:
      - $ref: '#/components/parameters/OutputKey'
      - $ref: '#/components/parameters/NodeId'
    get:
      operationId: echoOutput
      tags: [Outputs]
      summary: Echo
      x-access: authenticated
      description: The primary key.
      responses: *readsOutput
  /v1/job-outputs/{pk}/hard:
`)
	c.run("go", "generate", "./shared/api")
	if out, err := c.test(); err != nil {
		t.Errorf("with everything README lists, tests fail:\n%s", out)
	}
}

// projectCopy is a scratch copy of what git has or would add.
type projectCopy struct {
	t   *testing.T
	dir string
}

func copyOfTheProject(t *testing.T) *projectCopy {
	t.Helper()
	c := &projectCopy{t, t.TempDir()}
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "functions", "shared", "events", "infra/local", "test/openapicheck", "go.mod", "go.sum")
	list.Dir = ".."
	files, err := list.Output()
	if err != nil {
		t.Fatalf("list the project's files: %v", err)
	}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", file))
		if os.IsNotExist(err) {
			continue // deleted in the working tree
		}
		if err != nil {
			t.Fatal(err)
		}
		c.write(file, string(text))
	}
	return c
}

func (c *projectCopy) write(file, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, file)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *projectCopy) read(file string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *projectCopy) replace(file, old, with string) {
	c.t.Helper()
	text := c.read(file)
	if strings.Count(text, old) != 1 {
		c.t.Fatalf("%s has %q %d times, want once", file, old, strings.Count(text, old))
	}
	c.write(file, strings.Replace(text, old, with, 1))
}

func (c *projectCopy) run(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// test runs the tests that hold the house together.
func (c *projectCopy) test() (string, error) {
	cmd := exec.Command("go", "test", "-run", "^(TestNames|TestRows|TestImports|TestEventShape|TestRoutes|TestJSON)$",
		"./functions", "./test/openapicheck")
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// fails expects the tests to fail and to say each of the texts.
func (c *projectCopy) fails(with string, texts ...string) {
	c.t.Helper()
	out, err := c.test()
	if err == nil {
		c.t.Fatalf("with %s all tests pass", with)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			c.t.Errorf("with %s the tests do not say %q:\n%s", with, text, out)
		}
	}
}
