package openapi

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"joboutputs/shared/api"
)

func TestMarkdown(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"One\nline.\n\nTwo.", "<p>One line.</p>\n<p>Two.</p>\n"},
		{"a < b & c", "<p>a &lt; b &amp; c</p>\n"},
		{"`<b>` and **strong** *words*", "<p><code>&lt;b&gt;</code> and <strong>strong</strong> <em>words</em></p>\n"},
		{"takes `*/*` and `**`", "<p>takes <code>*/*</code> and <code>**</code></p>\n"},
		{"- one\n  more\n- two", "<ul>\n<li>one more</li>\n<li>two</li>\n</ul>\n"},
		{"## Title\nText", "<h3>Title</h3>\n<p>Text</p>\n"},
		{"```\n<a> \\\n\n  b\n```", "<pre tabindex=\"0\"><code>&lt;a&gt; \\\n\n  b</code></pre>\n"},
	}
	for _, tt := range tests {
		if got := string(markdown(tt.text)); got != tt.want {
			t.Errorf("markdown(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestTypeOf(t *testing.T) {
	tests := []struct{ schema, want string }{
		{`{}`, "anything"},
		{`{"type":"string"}`, "string"},
		{`{"type":["string","null"],"maxLength":5}`, "string or null, up to 5 characters"},
		{`{"type":"integer","minimum":1,"maximum":9,"default":3}`, "integer, 1 to 9, default <code>3</code>"},
		{`{"const":"<"}`, "always <code>&lt;</code>"},
		{`{"enum":[[],""]}`, "one of <code>[]</code> <code>&#34;&#34;</code>"},
		{`{"type":"array","minItems":2,"items":{"$ref":"#/components/schemas/A"}}`, `array of <a href="#schema-A">A</a>, at least 2`},
		{`{"oneOf":[{"type":"string"},{"$ref":"#/components/schemas/A"}]}`, `string or <a href="#schema-A">A</a>`},
	}
	for _, tt := range tests {
		n, err := parse([]byte(tt.schema))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(typeOf(n)); got != tt.want {
			t.Errorf("typeOf(%s) = %s, want %s", tt.schema, got, tt.want)
		}
	}
}

func TestRender(t *testing.T) {
	page, err := render(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(page, "<style>")
	css, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(css))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
		t.Errorf("the policy is %s, and the page's style sheet has %s", policy, want)
	}

	hostile := `{"info":{"title":"<script>","description":"<script>` + "`<script>`" + `"},"tags":[{"name":"<script>","description":"<script>"}],` +
		`"components":{"schemas":{"A":{"description":"<script>","properties":{"<script>":{"type":"<script>","enum":["<script>"]}}}}}}`
	page, err = render(hostile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page, "<script>") {
		t.Error("text of the document is not escaped")
	}

	for name, document := range map[string]string{
		"not JSON":      `{`,
		"dangling":      `{"tags":[{"name":"T"}],"paths":{"/a":{"get":{"tags":["T"],"x-access":"anyone","responses":{"200":{"$ref":"#/components/responses/A"}}}}}}`,
		"who may what?": `{"tags":[{"name":"T"}],"paths":{"/a":{"get":{"tags":["T"]}}}}`,
	} {
		if _, err := render(document); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
