package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

func TestSplit(t *testing.T) {
	for base, want := range map[string][2]string{
		"model.tflite": {"model", "tflite"}, "model.tar.gz": {"model", "tar.gz"}, "a.b.c": {"a.b", "c"}, "README": {"README", "bin"},
		".profile": {".profile", "bin"}, ".a.txt": {".a", "txt"}, "x.": {"x.", "bin"}, "..x": {"..x", "bin"}, ".tar.gz": {".tar", "gz"},
		"log.GZ": {"log", "GZ"}, "": {"", "bin"}, "ü ö.ä": {"ü ö", "ä"},
	} {
		if name, kind := split(base); name != want[0] || kind != want[1] {
			t.Errorf("%q is %q of type %q, want %q", base, name, kind, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for _, tc := range []struct{ name, kind, want string }{
		{"model", "tflite", "model.tflite"}, {"model", "tar.gz", "model.tar.gz"},
		{"model", "Model<Domain<'Image'>>", "model"}, {"a/../b", "x", "a_.._b.x"}, {"..", "x", "_...x"}, {".hidden", "", "_.hidden"},
		{"a\x1b[31m\n", "txt", "a_[31m_.txt"}, {"", "..", "_"}, {"a\xff", "b", "a_.b"}, {`a\b:c`, "x", "a_b_c.x"},
	} {
		if got := fileName(tc.name, tc.kind); got != tc.want {
			t.Errorf("%q, %q: %q, want %q", tc.name, tc.kind, got, tc.want)
		}
	}
	if got := fileName(strings.Repeat("ü", 200), "tflite"); len(got) > 255-24 || !strings.HasSuffix(got, "ü.tflite") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestFilters(t *testing.T) {
	now := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		f    filters
		want string
	}{
		{filters{}, `{}`},
		{filters{jobs: []int64{42}}, `{"expressions":[{"type":"exact","field":"job","value":42}]}`},
		{filters{jobs: []int64{1, 2}}, `{"expressions":[{"type":"or","sub_expressions":[{"type":"exact","field":"job","value":1},{"type":"exact","field":"job","value":2}]}]}`},
		{filters{name: "a"}, `{"expressions":[{"type":"exact","field":"name","value":"a"}]}`},
		{filters{name: "*a*", ignoreCase: true}, `{"expressions":[{"type":"contains","field":"name","sub_string":"a","case_insensitive":true}]}`},
		{filters{kind: "a*b?"}, `{"expressions":[{"type":"contains","field":"type","sub_string":"a"},{"type":"contains","field":"type","sub_string":"b"}]}`},
		{filters{name: "*"}, `{}`},
		{filters{since: "1d12h", until: "2026-05-31"}, `{"expressions":[{"type":"compare","field":"creation_time","value":"2026-05-30T00:00:00.000000Z","operator":">="},{"type":"compare","field":"creation_time","value":"2026-05-31T00:00:00.000000Z","operator":"<"}]}`},
		{filters{since: "2026-05-31T08:00:00+02:00"}, `{"expressions":[{"type":"compare","field":"creation_time","value":"2026-05-31T06:00:00.000000Z","operator":">="}]}`},
		{filters{creator: "7"}, `{"expressions":[{"type":"exact","field":"creator","value":7}]}`},
		{filters{creator: "alice"}, `{"expressions":[{"type":"exact","field":"creator.username","value":"alice"}]}`},
		{filters{deleted: true}, `{"expressions":[{"type":"is_null","field":"deletion_time","invert":true}],"include_inactive":true}`},
		{filters{all: true}, `{"include_inactive":true}`},
		{filters{sort: "-size,created"}, `{"order_by":[{"field":"size","ascending":false},{"field":"creation_time","ascending":true}]}`},
	} {
		spec, _, err := tc.f.spec(now)
		if err != nil {
			t.Errorf("%+v: %v", tc.f, err)
			continue
		}
		var got bytes.Buffer
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(spec); err != nil || strings.TrimSpace(got.String()) != tc.want {
			t.Errorf("%+v:\n%s want\n%s (%v)", tc.f, &got, tc.want, err)
		}
	}
	for _, f := range []filters{{since: "yesterday"}, {since: "7"}, {until: "d"}, {since: "99999999d"}, {sort: "color"}, {sort: ","}, {jobs: []int64{0}}} {
		if _, _, err := f.spec(now); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*model*", "a model b", true}, {"model*", "model", true}, {"model*", "a model", false}, {"*.h5", "x.h5", true}, {"*.h5", "xxh5", false},
		{"m?del", "model", true}, {"m?del", "mdel", false}, {"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"*b*a*", "ab", false}, {"??", "ü€", true}, {"a*", "a\nb", true},
	} {
		terms, rest := glob("name", tc.pattern, false)
		got := rest == nil || rest.MatchString(tc.name)
		for _, e := range terms { // what the service says
			got = got && strings.Contains(tc.name, e.SubString)
		}
		if got != tc.want {
			t.Errorf("%q on %q: %v", tc.pattern, tc.name, got)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234: "1.2 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 4_400_000: "4.4 MB", 2 << 30: "2.1 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestTables are as a person sees them; what is somebody else's text can do nothing to a
// terminal.
func TestTables(t *testing.T) {
	sha, creator := strings.Repeat("ab", 32), int64(3)
	at := client.Time{Time: time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)}
	all := []client.Output{
		{PK: 7, Job: 42, Name: "model", Type: "tflite", Size: 1234567, CreationTime: at, Creator: &creator, SHA256: &sha},
		{PK: 123, Job: 42, Name: "evil\x1b[2J\nname", Type: "Model<X>", CreationTime: at, DeletionTime: &at},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/list") {
			_ = json.NewEncoder(w).Encode(all)
		} else {
			_ = json.NewEncoder(w).Encode(all[0])
		}
	}))
	defer server.Close()
	r := newRig(t, server.URL)
	r.env["JOBOUTPUTS_TOKEN"] = "t"
	r.prints(`PK   JOB  NAME           TYPE      SIZE    BY  CREATED
7    42   model          tflite    1.2 MB  3   2026-05-06 07:08:09Z
123  42   evil�[2J�name  Model<X>  0 B     -   2026-05-06 07:08:09Z
`, "list")
	r.prints(`PK  JOB  NAME   TYPE    SIZE    BY  CREATED               DELETED
7   42   model  tflite  1.2 MB  3   2026-05-06 07:08:09Z  -
`, "list", "--all", "--limit", "1")
	r.prints(`pk       7
job      42
name     model
type     tflite
size     1.2 MB (1234567 bytes)
creator  3
created  2026-05-06 07:08:09Z
sha256   `+sha+"\n", "info", "7")
	r.prints(`[{"pk":7,"job":42,"name":"model","type":"tflite","creator":3,"creation_time":"2026-05-06T07:08:09.123456Z","deletion_time":null,"size":1234567,"content_type":null,"sha256":"`+sha+`","checksum":null}]
`, "list", "--json", "-n", "1")
}

// TestUsage: command lines that can't be meant are refused before anything is called.
func TestUsage(t *testing.T) {
	r := newRig(t, "http://127.0.0.1:1") // nobody
	r.env["JOBOUTPUTS_TOKEN"] = "t"
	dir := r.dir
	r.write("a/x.txt", nil)
	r.write("b/x.txt", nil)
	for _, tc := range []struct{ args, says string }{
		{"nonsense", `no command "joboutputs nonsense"`}, {"lsit", "did you mean list"}, {"jobs nonsense", "no command"},
		{"list --nonsense", "unknown flag"}, {"list --job x", `"-j, --job" flag: want a whole number; see`}, {"zip 1 --node x", "want a whole number"}, {"list 42", "takes no arguments"}, {"list --spec - --job 1", "--job can't be added"}, {"list --limit -1", "--limit"},
		{"list --since tomorrow", "want an age"}, {"info", "at least one"}, {"info model", "JOB/NAME/TYPE"}, {"info 1/2", "JOB/NAME/TYPE"}, {"info 0", "JOB/NAME/TYPE"},
		{"add x", "which job"}, {"add", "the files to add"}, {"add - --job 1", "--name"}, {"add " + dir + "/a/x.txt " + dir + "/b/x.txt --job 1", "would both be"},
		{"add " + dir + " --job 1", "would both be"}, {"add " + dir + "/a " + dir + "/b --name x --job 1", "one file"}, {"add " + dir + "/a --name x --job 1", "directory"},
		{"add " + dir + "/a/x.txt --name a/b --job 1", "without /"}, {"add /dev/null --job 1", "neither a file"}, {"get 1 2 -o " + dir + "/file", "directory"},
		{"jobs start", "one job"}, {"jobs start x --node 1", "not the primary key"}, {"jobs start 1", "which node"}, {"watch", "which job"}, {"purge 1", "--yes"},
		{"list --node -1", "--node"}, {"list --server ftp://x", "want a URL"}, {"login", "--username"}, {"login -u x", "--password-stdin"},
	} {
		r.fails(codeUsage, tc.says, strings.Fields(tc.args)...)
	}
	r.fails(codeNotFound, "no such file", "add", dir+"/nothing", "--job", "1")
	delete(r.env, "JOBOUTPUTS_SERVER")
	r.fails(codeUsage, "--server URL", "list")
	r.env["JOBOUTPUTS_SERVER"] = "http://127.0.0.1:1"
	delete(r.env, "JOBOUTPUTS_TOKEN")
	r.fails(codeNotPermitted, "joboutputs login --server http://127.0.0.1:1", "list")
	r.write("config", []byte("{"))
	r.fails(codeError, "log in again", "list", "--config", r.path("config"))
	r.write("open", []byte("{}"))
	if err := os.Chmod(r.path("open"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.fails(codeNotPermitted, "chmod 600", "list", "--config", r.path("open"))
}

// TestExitCodes are those of the help.
func TestExitCodes(t *testing.T) {
	for status, want := range map[int]int{400: 1, 401: 4, 403: 4, 404: 3, 409: 5, 413: 1, 422: 5, 429: 7, 500: 7, 503: 7, 200: 0} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600") // longer than the command waits
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"pk":1,"detail":"Because.","code":"x"}`)
		}))
		r := newRig(t, server.URL)
		r.env["JOBOUTPUTS_TOKEN"] = "t"
		if got := r.run("jobs", "finish", "1", "--node", "1"); got.code != want || want != 0 && !strings.Contains(got.err, "Because.") {
			t.Errorf("%d: exit %d, want %d\n%s", status, got.code, want, got.err)
		}
		server.Close()
	}
	r := newRig(t, "http://127.0.0.1:1")
	r.env["JOBOUTPUTS_TOKEN"] = "t"
	if testing.Short() {
		return
	}
	r.fails(codeUnavailable, "is the service running", "info", "1")
}

// TestHelp: every command has a text, an example that names it and is not too wide.
func TestHelp(t *testing.T) {
	a := &app{}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Short == "" || c.Name() != "version" && c.Name() != "logout" && c.HasParent() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: short %q, example %q", c.CommandPath(), c.Short, c.Example)
		}
		for line := range strings.SplitSeq(c.Long+"\n"+c.Example, "\n") {
			if n := len([]rune(line)); n > 96 {
				t.Errorf("%s: a line of %d characters: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(a.root())
	r := newRig(t, "")
	for _, args := range []string{"", "--help", "help add", "jobs", "completion bash", "version", "add --help"} {
		if out := r.ok(strings.Fields(args)...); len(out) < 20 {
			t.Errorf("%s: %s", args, out)
		}
	}
}
