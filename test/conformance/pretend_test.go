package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func pkList(rows []*Output) string { return fmt.Sprint(pks(rows)) }

// pretend is a good service's answer: exactly what is wanted.
func pretend(v *View, want *Want) *Answer {
	a := &Answer{Status: want.Status, Header: http.Header{}}
	h := a.Header
	if len(v.x.Request.header("Origin")) > 0 {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if want.Status == 401 {
		h.Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	if want.Allow != nil {
		h.Set("Allow", strings.Join(want.Allow, ", "))
		h.Set("Access-Control-Allow-Methods", strings.Join(want.Allow, ", "))
		h.Set("Access-Control-Allow-Headers", "authorization, content-type, node-id")
	}
	h.Set("Content-Type", "application/json")
	switch {
	case want.Codes != nil:
		h.Set("Content-Type", "application/problem+json")
		doc := map[string]any{
			"type": "urn:x", "title": http.StatusText(want.Status), "status": want.Status,
			"detail": "something", "code": want.Codes[0], "request_id": "1",
		}
		if want.Detail != nil {
			doc["detail"] = *want.Detail
		}
		if want.Errors != nil {
			doc["errors"] = want.Errors
		}
		if o := want.Holder; o != nil {
			doc["pk"], doc["sha256"], doc["deletion_time"] = o.PK, o.sha256(), showTime(o.Deleted)
		}
		a.Body, _ = json.Marshal(doc)
	case want.List:
		rows := []string{}
		for _, o := range want.Rows {
			rows = append(rows, show(o))
		}
		a.Body = []byte("[" + strings.Join(rows, ",") + "]")
		if want.More {
			h.Set("X-Next-Cursor", "c")
		}
	case want.Content != nil:
		c := want.Content
		a.Body = c.Bytes
		h.Set("Content-Type", "application/octet-stream")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("ETag", `"x"`)
		h.Set("Content-Length", strconv.Itoa(len(c.Bytes)))
		h.Set("Content-Disposition", disposition(c.Filename))
		if c.Range != "" {
			h.Set("Content-Range", c.Range)
		}
	case want.Row != nil:
		a.Body = []byte(show(want.Row))
	case want.Job != nil:
		var members map[string]any
		_ = json.Unmarshal(want.Job, &members)
		var b strings.Builder
		for i, name := range jobFields {
			value := members[name]
			if t, ok := instant(value).(time.Time); ok && name != "outputs" && name != "description" {
				value = t.Format("2006-01-02T15:04:05.000000Z")
			}
			if name == "outputs" {
				value = v.w.mentions(jsonOf(value))
			}
			text, _ := json.Marshal(value)
			fmt.Fprintf(&b, "%s%q:%s", map[bool]string{true: "{", false: ","}[i == 0], name, text)
		}
		a.Body = []byte(b.String() + "}")
	case want.JSON != nil:
		a.Body = []byte(strings.ReplaceAll(string(want.JSON), "<token>", "a.b.c"))
	}
	if want.Empty || v.method == "HEAD" {
		a.Body = nil
	}
	return a
}

// jsonOf is a value with its numbers as written.
func jsonOf(value any) any {
	text, _ := json.Marshal(value)
	v, _ := decodeJSON(text)
	return v
}

func showTime(m Moment) any {
	if !m.Set {
		return nil
	}
	return m.At.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// show is an output's body as the documents have it.
func show(o *Output) string {
	sum := sha256.Sum256(o.Content)
	var b strings.Builder
	member := func(name string, value any) {
		text, _ := json.Marshal(value)
		fmt.Fprintf(&b, "%s%q:%s", map[bool]string{true: "{", false: ","}[b.Len() == 0], name, text)
	}
	member("pk", o.PK)
	member("job", o.Job)
	member("name", o.Name)
	member("type", o.Type)
	member("creator", orNull(o.Creator))
	member("creation_time", showTime(o.Created))
	member("deletion_time", showTime(o.Deleted))
	member("size", len(o.Content))
	if o.ContentType == "" {
		member("content_type", nil)
	} else {
		member("content_type", o.ContentType)
	}
	member("sha256", o.sha256())
	member("checksum", map[string]any{"algorithm": "SHA256", "type": "full", "value": base64.StdEncoding.EncodeToString(sum[:])})
	return b.String() + "}"
}

func disposition(name string) string {
	var fallback, encoded strings.Builder
	for _, r := range name {
		switch {
		case r > '~':
			fallback.WriteByte('_')
		case r == '"' || r == '\\':
			fallback.WriteString("\\" + string(r))
		default:
			fallback.WriteRune(r)
		}
	}
	header := `attachment; filename="` + fallback.String() + `"`
	if !strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
		return header
	}
	encoded.WriteString(strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(name)))
	return header + "; filename*=UTF-8''" + encoded.String()
}
