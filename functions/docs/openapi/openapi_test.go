package openapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"joboutputs/functions/docs/openapi"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
)

func TestServe(t *testing.T) {
	h := openapi.New()
	document := apitest.Call{Method: "GET", Resource: "/v1/openapi.json"}.Do(t, h)
	page := apitest.Call{Method: "GET", Resource: "/v1/docs"}.Do(t, h)

	if diff := cmp.Diff(api.OpenAPI(), string(document.Body)); document.Status != 200 || diff != "" {
		t.Errorf("status %d, document (-want +got):\n%s", document.Status, diff)
	}
	for _, tt := range []struct {
		resource, mediaType string
		full                *apitest.Answer
	}{
		{"/v1/openapi.json", "application/json", document},
		{"/v1/docs", "text/html; charset=utf-8", page},
	} {
		t.Run(tt.resource, func(t *testing.T) {
			tag := tt.full.Header.Get("ETag")
			if !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(tag) {
				t.Errorf("ETag %s", tag)
			}
			for name, want := range map[string]string{
				"Content-Type": tt.mediaType, "Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff",
			} {
				if got := tt.full.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			head := apitest.Call{Method: "HEAD", Resource: tt.resource}.Do(t, h)
			if diff := cmp.Diff(tt.full.Header, head.Header); head.Status != 200 || len(head.Body) > 0 || diff != "" {
				t.Errorf("HEAD: %d, %d bytes, headers (-GET +HEAD):\n%s", head.Status, len(head.Body), diff)
			}
			for condition, want := range map[string]int{
				tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, "": 200,
			} {
				got := apitest.Call{Method: "GET", Resource: tt.resource, Header: map[string]string{"If-None-Match": condition}}.Do(t, h)
				if got.Status != want || got.Header.Get("ETag") != tag || want == 304 && len(got.Body) > 0 {
					t.Errorf("If-None-Match: %s: %s, want %d", condition, got, want)
				}
			}
		})
	}
	if page.Header.Get("ETag") == document.Header.Get("ETag") {
		t.Error("page and document have one entity tag")
	}
}

// TestPage holds that the page has everything, and nothing from elsewhere.
func TestPage(t *testing.T) {
	answer := apitest.Call{Method: "GET", Resource: "/v1/docs"}.Do(t, openapi.New())
	page := string(answer.Body)

	operations := regexp.MustCompile(`"operationId": "(\w+)"`).FindAllStringSubmatch(api.OpenAPI(), -1)
	if len(operations) < 25 {
		t.Errorf("the document has %d operations", len(operations))
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("id %s is there twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, operation := range operations {
		if !ids[operation[1]] {
			t.Errorf("operation %s is not on the page", operation[1])
		}
	}
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if target, ok := strings.CutPrefix(link[1], "#"); link[1] != "openapi.json" && (!ok || !ids[target]) {
			t.Errorf("a link leads to %s", link[1])
		}
	}
	for _, unwanted := range []string{"<script", "<img", "<link", "<iframe", " src=", " style=", "onclick", "@import", "url(", "ZgotmplZ", "**", "```"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page holds %s", unwanted)
		}
	}
}
