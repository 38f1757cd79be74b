package openapi

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// markdown turns a description into HTML: paragraphs, lists, headings, fenced code; in
// them code, strong and emphasis. OpenAPI's descriptions are CommonMark; this is as much
// of it as ours use, and whatever else comes through is shown as it is written.
func markdown(text string) template.HTML {
	var out strings.Builder
	var block []string
	flush := func() {
		writeBlock(&out, block)
		block = nil
	}
	var code []string
	fenced := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		switch fence := strings.HasPrefix(line, "```"); {
		case fence && fenced:
			out.WriteString(`<pre tabindex="0"><code>` + html.EscapeString(strings.Join(code, "\n")) + "</code></pre>\n")
			code, fenced = nil, false
		case fence:
			flush()
			fenced = true
		case fenced:
			code = append(code, line)
		case strings.TrimSpace(line) == "":
			flush()
		default:
			block = append(block, line)
		}
	}
	flush()
	return template.HTML(out.String()) //nolint:gosec // every text in it was escaped
}

func writeBlock(out *strings.Builder, lines []string) {
	if len(lines) == 0 {
		return
	}
	if title, ok := strings.CutPrefix(lines[0], "## "); ok {
		out.WriteString("<h3>" + inline(title) + "</h3>\n")
		writeBlock(out, lines[1:])
		return
	}
	if !strings.HasPrefix(lines[0], "- ") {
		out.WriteString("<p>" + inline(strings.Join(lines, " ")) + "</p>\n")
		return
	}
	out.WriteString("<ul>\n")
	for item := range strings.SplitSeq(strings.TrimPrefix(strings.Join(lines, "\n"), "- "), "\n- ") {
		out.WriteString("<li>" + inline(strings.Join(strings.Fields(item), " ")) + "</li>\n")
	}
	out.WriteString("</ul>\n")
}

var (
	strong   = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	emphasis = regexp.MustCompile(`\*([^* ][^*]*)\*`)
)

// inline formats a line. What stands between backquotes is not looked into.
func inline(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = html.EscapeString(part)
		if i%2 == 1 {
			out.WriteString("<code>" + part + "</code>")
			continue
		}
		part = strong.ReplaceAllString(part, "<strong>$1</strong>")
		out.WriteString(emphasis.ReplaceAllString(part, "<em>$1</em>"))
	}
	return out.String()
}
