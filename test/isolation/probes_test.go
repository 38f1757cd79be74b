package isolation_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"joboutputs/shared/filter"
	"joboutputs/shared/table"
	"joboutputs/test/harness"
)

// probe is a request with gaps, like {x}, that are filled twice: with what exists in the
// other tenant, and with what exists nowhere. Both texts of a gap are of one length.
type probe struct {
	methods           []string // nil = all
	path, query, body string
	header            map[string]string
	node              string // Node-Id in place of the caller's
	gaps              []gap
	paged             bool // reads ahead, so that the number of calls is a matter of luck
	cursor            int  // the status for who may list, if it has a cursor
}

type gap struct{ name, foreign, missing string }

func (p probe) filled(g func(gap) string, method string) harness.Request {
	inPath, plain := make([]string, 0, 2*len(p.gaps)), make([]string, 0, 2*len(p.gaps))
	for _, gap := range p.gaps {
		inPath = append(inPath, "{"+gap.name+"}", url.PathEscape(g(gap)))
		plain = append(plain, "{"+gap.name+"}", g(gap))
	}
	fill := strings.NewReplacer(plain...).Replace
	req := harness.Request{Method: method, Path: strings.NewReplacer(inPath...).Replace(p.path) + fill(p.query), Body: fill(p.body), Header: map[string]string{}}
	for name, value := range p.header {
		req.Header[name] = fill(value)
	}
	if p.node != "" {
		req.Header["Node-Id"] = fill(p.node)
	}
	return req
}

func absent(text string) string { return strings.ReplaceAll(text, "canary", "absent") }

// probe makes the requests to a resource template that could find something of theirs. What
// else a request may name of a tenant (a header's key, a query's) becomes a gap here.
func (w *tenants) probe(resource string) []probe {
	var all []probe
	switch {
	case strings.Contains(resource, "{name}"):
		for i, job := range []string{"7020001", "7020001", "2", "2", "7020004", "7020001"} {
			gaps := []gap{{"name", w.foreign[i].Name, absent(w.foreign[i].Name)}, {"type", w.foreign[i].Type, absent(w.foreign[i].Type)}}
			if job == "2" {
				gaps = append(gaps, gap{"pk", "2", "2"}) // a job both have, in which only theirs has this output
			} else {
				gaps = append(gaps, gap{"pk", job, "702999" + job[6:]})
			}
			all = append(all, probe{path: resource, gaps: gaps})
		}
		all = append(all,
			probe{path: resource, gaps: []gap{{"pk", "2", "2"}, {"name", "model", "model"}, {"type", w.foreign[2].Type, absent(w.foreign[2].Type)}}},
			probe{path: resource, gaps: []gap{{"pk", "7020002", "7029992"}, {"name", "model", "model"}, {"type", "bin", "bin"}}})
		if strings.HasSuffix(resource, "{type}") {
			for _, query := range []string{"?delivery=url", "?delivery=redirect", "?delivery=bytes"} {
				more := all[0]
				more.methods, more.query = []string{"GET", "HEAD"}, query
				all = append(all, more)
			}
			etag := gap{"etag", w.etag(w.foreign[0]), strings.Repeat("0", 26)}
			for _, header := range []map[string]string{{"If-None-Match": `"{etag}"`}, {"Range": "bytes=0-1", "If-Range": `"{etag}"`}} {
				conditional := all[0]
				conditional.methods, conditional.header, conditional.gaps = []string{"GET", "HEAD"}, header, append(slices.Clone(all[0].gaps), etag)
				all = append(all, conditional, probe{path: "/v1/jobs/2/outputs/model/bin", methods: []string{"GET", "HEAD"}, header: header, gaps: []gap{etag}})
			}
		}
	case strings.HasPrefix(resource, "/v1/job-outputs/{pk}"):
		for i := range w.foreign {
			all = append(all, probe{path: resource, gaps: []gap{{"pk", fmt.Sprint(w.foreign[i].PK), fmt.Sprint(7019991 + i)}}})
		}
		if strings.HasSuffix(resource, "/download") {
			for _, body := range []string{`{"delivery":"url"}`, `{"delivery":"redirect"}`, `{"delivery":"bytes","filetype":"zip"}`} {
				more := all[0]
				more.methods, more.body = []string{"POST"}, body
				all = append(all, more)
			}
		}
	case strings.HasPrefix(resource, "/v1/jobs/{pk}/uploads"):
		for _, upload := range w.staged {
			gaps := []gap{{"id", upload.id, "01" + strings.Repeat("0", 24)}, {"pk", upload.job, "702999" + upload.job[max(0, len(upload.job)-1):]}}
			if upload.job == "2" { // a job both have, in which only theirs has this upload
				gaps[1].missing = "2"
			}
			all = append(all, probe{path: resource, gaps: gaps})
			if !strings.Contains(resource, "{id}") {
				all = append(all, probe{methods: []string{"POST"}, path: resource, body: `{"name":"{name}","type":"{type}","size":9}`,
					gaps: append(gaps[1:], gap{"name", w.foreign[2].Name, absent(w.foreign[2].Name)}, gap{"type", w.foreign[2].Type, absent(w.foreign[2].Type)})})
				continue
			}
			all = append(all, probe{methods: []string{"GET"}, path: resource, query: "?sha256=" + strings.Repeat("0", 64), gaps: gaps})
			all = append(all, probe{methods: []string{"POST"}, path: resource, body: `{"parts":[]}`, gaps: gaps})
		}
	case strings.HasPrefix(resource, "/v1/jobs/{pk}"):
		for i := 1; i <= 5; i++ {
			all = append(all, probe{path: resource, gaps: []gap{{"pk", fmt.Sprint(7020000 + i), fmt.Sprint(7029990 + i)}}})
		}
		switch resource[strings.LastIndexByte(resource, '/')+1:] {
		case "finish":
			more := all[0]
			more.methods, more.body = []string{"POST"}, `{"error":"gone"}`
			all = append(all, more)
		case "acquire": // a node of theirs; and one that both have, but which is busy in theirs
			all = append(all,
				probe{path: "/v1/jobs/1/acquire", methods: []string{"GET"}, node: "{node}", gaps: []gap{{"node", "707070", "808080"}}},
				probe{path: "/v1/jobs/1/acquire", methods: []string{"GET"}, node: "{node}", gaps: []gap{{"node", "505050", "606060"}}})
		case "start":
			all = append(all, probe{path: resource, methods: []string{"POST"}, node: "{node}", gaps: []gap{{"pk", "5151515", "6161616"}, {"node", "505050", "606060"}}})
		}
	case resource == "/v1/jobs/create":
		for _, body := range []string{`{"pk":{pk}}`, `{"node":{node}}`, `{"pk":{pk},"node":{node},"description":"mine"}`} {
			all = append(all, probe{path: resource, body: body, gaps: []gap{{"pk", "7020001", "7029991"}, {"node", "707070", "808080"}}})
		}
	case resource == "/v1/job-outputs/list":
		all = append(w.filters(resource), w.cursors(resource)...)
	case resource == "/v1/auth/obtain": // with their password, in mine
		body := fmt.Sprintf(`{"username":"{name}@%s","password":"{name}"}`, w.mine)
		all = append(all, probe{path: resource, body: body, gaps: []gap{{"name", canaryUser, absent(canaryUser)}}})
		body = fmt.Sprintf(`{"username":"{name}@%s","password":"wrong"}`, w.theirs)
		all = append(all, probe{path: resource, body: body, gaps: []gap{{"name", canaryUser, absent(canaryUser)}}})
	default:
		all = append(all, probe{path: resource, body: "{}"})
	}
	return all
}

// filters are lists that name what is theirs, in every field and kind of term.
func (w *tenants) filters(resource string) []probe {
	o := w.foreign[0]
	number := func(v any) string { return fmt.Sprint(v) }
	quoted := func(v any) string { return fmt.Sprintf("%q", v) }
	gaps := []struct {
		fields []string
		gap    gap
		value  func(any) string
		kinds  []string
	}{
		{[]string{"pk", "id"}, gap{"x", "7010001", "7019991"}, number, []string{"exact", "compare"}},
		{[]string{"job", "job_id", "job.pk", "job.id"}, gap{"x", "7020001", "7029991"}, number, []string{"exact"}},
		{[]string{"creator", "creator_id", "creator.pk"}, gap{"x", "7030001", "7039991"}, number, []string{"exact"}},
		{[]string{"creator.username"}, gap{"x", canaryUser, absent(canaryUser)}, quoted, []string{"exact", "contains"}},
		{[]string{"name"}, gap{"x", o.Name, absent(o.Name)}, quoted, []string{"exact", "contains", "compare"}},
		{[]string{"type"}, gap{"x", o.Type, absent(o.Type)}, quoted, []string{"exact", "contains"}},
		{[]string{"content_type"}, gap{"x", *o.ContentType, absent(*o.ContentType)}, quoted, []string{"exact", "contains"}},
		{[]string{"sha256"}, gap{"x", *o.SHA256, strings.Repeat("0", 64)}, quoted, []string{"exact", "contains"}},
		{[]string{"size"}, gap{"x", fmt.Sprint(o.Size), fmt.Sprint(o.Size - 1000)}, number, []string{"exact", "compare"}},
		{[]string{"creation_time"}, gap{"x", o.CreationTime, o.CreationTime[:20] + "000001Z"}, quoted, []string{"exact", "compare"}},
	}
	var all []probe
	list := func(p probe, body string) {
		p.path, p.body = resource, body
		if p.methods = []string{"POST"}; len(all) == 0 {
			p.methods = nil
		}
		all = append(all, p)
	}
	for _, g := range gaps {
		for _, field := range g.fields {
			for _, kind := range g.kinds {
				members := `"value":` + g.value("{x}")
				switch kind {
				case "contains":
					members = `"sub_string":"{x}"`
				case "compare":
					members += `,"operator":">="`
				}
				term := fmt.Sprintf(`{"type":%q,"field":%q,%s}`, kind, field, members)
				list(probe{gaps: []gap{g.gap}}, `{"include_inactive":true,"expressions":[`+term+`]}`)
				if field == g.fields[0] && kind == "exact" {
					inverted := strings.Replace(term, "{", `{"invert":true,`, 1)
					list(probe{gaps: []gap{g.gap}}, `{"expressions":[`+inverted+`],"order_by":[{"field":"`+field+`","ascending":false}]}`)
					list(probe{gaps: []gap{g.gap}, paged: true}, `{"limit":1,"include_inactive":true,"expressions":[`+term+`]}`)
				}
			}
		}
	}
	byName := `{"include_inactive":true,"expressions":[{"type":"exact","field":"job","value":{job}},{"type":"exact","field":"name","value":"{name}"},{"type":"exact","field":"type","value":"{type}"}]}`
	for _, job := range []gap{{"job", "7020001", "7029991"}, {"job", "2", "2"}} {
		o := w.foreign[map[string]int{"7020001": 0, "2": 2}[job.foreign]]
		list(probe{gaps: []gap{job, {"name", o.Name, absent(o.Name)}, {"type", o.Type, absent(o.Type)}}}, byName)
	}
	list(probe{}, "")
	list(probe{}, `{"include_inactive":true}`)
	list(probe{}, `{"include_inactive":true,"order_by":[{"field":"name"}]}`)
	return all
}

// cursors are lists that go on where one of theirs ended, or one of a tenant that is nowhere.
func (w *tenants) cursors(resource string) []probe {
	var all []probe
	for _, members := range []string{
		`"include_inactive":true`,
		`"include_inactive":true,"order_by":[{"field":"name"}]`,
		`"include_inactive":true,"expressions":[{"type":"exact","field":"job","value":2}]`,
		`"order_by":[{"field":"creation_time","ascending":false}]`,
	} {
		a := w.OK(nil, 200, w.Rig.Login(w.T, "bob", w.theirs), "POST", resource, `{"limit":2,`+members+`}`)
		theirs := a.Header.Get("X-Next-Cursor")
		var page []harness.Output
		a.Decode(w, &page)
		if theirs == "" {
			w.Fatalf("%s: no cursor", members)
		}
		spec, err := filter.Parse([]byte("{" + members + "}"))
		if err != nil {
			w.Fatal(err)
		}
		last := page[len(page)-1]
		at, err := time.Parse(table.TimeFormat, last.CreationTime)
		if err != nil {
			w.Fatal(err)
		}
		end := filter.Row{PK: last.PK, Job: last.Job, Name: last.Name, Type: last.Type, CreationTime: at}
		if again := spec.EncodeCursor(w.theirs, &end); again != theirs {
			w.Fatalf("%s: the cursor %s is not that of the page's last row, %s", members, theirs, again)
		}
		body := `{"limit":1,"cursor":"{cursor}",` + members + `}`
		all = append(all, probe{methods: []string{"POST"}, path: resource, body: body, paged: true, cursor: http.StatusBadRequest,
			gaps: []gap{{"cursor", theirs, spec.EncodeCursor("nowhere", &end)}}})
		// Made for mine, with the place of a row of theirs: it is a place in mine.
		o := w.foreign[0]
		foreign := filter.Row{PK: o.PK, Name: o.Name, CreationTime: at.AddDate(1, 0, 0)}
		missing := filter.Row{PK: 7019991, Name: absent(o.Name), CreationTime: at.AddDate(1, 0, 0)}
		all = append(all, probe{methods: []string{"POST"}, path: resource, body: body, paged: true, cursor: http.StatusOK,
			gaps: []gap{{"cursor", spec.EncodeCursor(w.mine, &foreign), spec.EncodeCursor(w.mine, &missing)}}})
	}
	return all
}
