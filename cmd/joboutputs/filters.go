package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"joboutputs/shared/client"
)

// filters are list's flags.
type filters struct {
	jobs           []int64
	name, kind     string // with * and ?
	ignoreCase     bool
	since, until   string
	creator        string
	deleted, all   bool
	sort           string
	limit          int
	specFile       string
	specFileWasSet bool
}

// spec is the filters in the language of the API, and a check of what that can't say.
func (f filters) spec(now time.Time) (client.Spec, func(client.Output) bool, error) {
	s := client.Spec{IncludeInactive: f.all || f.deleted}
	var jobs []client.Expression
	for _, job := range f.jobs {
		if job < 1 {
			return s, nil, usage("--job %d: want a primary key, from 1", job)
		}
		jobs = append(jobs, client.Exact("job", job))
	}
	switch len(jobs) {
	case 0:
	case 1:
		s.Expressions = jobs
	default:
		s.Expressions = []client.Expression{client.Or(jobs...)}
	}
	var checks []func(client.Output) bool
	for _, p := range []struct {
		field, pattern string
		of             func(client.Output) string
	}{
		{"name", f.name, func(o client.Output) string { return o.Name }},
		{"type", f.kind, func(o client.Output) string { return o.Type }},
	} {
		if p.pattern == "" {
			continue
		}
		terms, rest := glob(p.field, p.pattern, f.ignoreCase)
		s.Expressions = append(s.Expressions, terms...)
		if rest != nil {
			checks = append(checks, func(o client.Output) bool { return rest.MatchString(p.of(o)) })
		}
	}
	for _, bound := range []struct{ flag, operator, text string }{{"--since", ">=", f.since}, {"--until", "<", f.until}} {
		if bound.text == "" {
			continue
		}
		at, err := parseTime(bound.text, now)
		if err != nil {
			return s, nil, usage("%s %v", bound.flag, err)
		}
		s.Expressions = append(s.Expressions, client.Compare("creation_time", bound.operator, at.UTC().Format("2006-01-02T15:04:05.000000Z")))
	}
	if pk, err := strconv.ParseInt(f.creator, 10, 64); err == nil {
		s.Expressions = append(s.Expressions, client.Exact("creator", pk))
	} else if f.creator != "" {
		s.Expressions = append(s.Expressions, client.Exact("creator.username", f.creator))
	}
	if f.deleted {
		s.Expressions = append(s.Expressions, client.Not(client.IsNull("deletion_time")))
	}
	var err error
	s.OrderBy, err = parseSort(f.sort)
	return s, func(o client.Output) bool {
		for _, check := range checks {
			if !check(o) {
				return false
			}
		}
		return true
	}, err
}

// glob is a pattern in which * stands for any characters and ? for one. The service is
// asked for the texts in it; what they don't say of their order is left to a check here.
func glob(field, pattern string, ignoreCase bool) (terms []client.Expression, rest *regexp.Regexp) {
	if !strings.ContainsAny(pattern, "*?") {
		e := client.Exact(field, pattern)
		e.CaseInsensitive = ignoreCase
		return []client.Expression{e}, nil
	}
	pieces := strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' })
	for _, piece := range pieces {
		e := client.Contains(field, piece)
		e.CaseInsensitive = ignoreCase
		terms = append(terms, e)
	}
	if strings.Trim(pattern, "*") == strings.Join(pieces, "") && strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*") && len(pieces) <= 1 {
		return terms, nil // *text*: the service says it all
	}
	expression := "(?s"
	if ignoreCase {
		expression += "i"
	}
	expression += ")^"
	for _, r := range pattern {
		switch r {
		case '*':
			expression += ".*"
		case '?':
			expression += "."
		default:
			expression += regexp.QuoteMeta(string(r))
		}
	}
	return terms, regexp.MustCompile(expression + "$")
}

var age = regexp.MustCompile(`^(?:\d+[wdhms])+$`)

// parseTime reads how long ago (7d, 36h, 1d12h), a date (in UTC) or a time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if age.MatchString(text) {
		var total time.Duration
		for rest := text; rest != ""; {
			i := strings.IndexAny(rest, "wdhms")
			n, err := strconv.ParseInt(rest[:i], 10, 32)
			if err != nil {
				return time.Time{}, fmt.Errorf("%q: too long ago", text)
			}
			unit := map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}[rest[i]]
			if n > int64(100*365*24*time.Hour/unit) {
				return time.Time{}, fmt.Errorf("%q: too long ago", text)
			}
			total += time.Duration(n) * unit
			rest = rest[i+1:]
		}
		return now.Add(-total), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want an age such as 7d or 36h, or a date such as 2026-05-31, perhaps with a time such as 2026-05-31T08:00:00Z", text)
}

var sortFields = map[string]string{
	"pk": "pk", "job": "job", "name": "name", "type": "type", "size": "size", "creator": "creator",
	"created": "creation_time", "creation_time": "creation_time", "deleted": "deletion_time", "deletion_time": "deletion_time",
}

// parseSort reads fields, the first one first; a minus means descending.
func parseSort(text string) ([]client.OrderBy, error) {
	if text == "" {
		return nil, nil
	}
	var order []client.OrderBy
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		name, descending := strings.CutPrefix(field, "-")
		known, ok := sortFields[name]
		if !ok {
			return nil, usage("--sort %q: want fields among pk, job, name, type, size, creator, created and deleted, such as -size,name", text)
		}
		order = append(order, client.OrderBy{Field: known, Ascending: !descending})
	}
	return order, nil
}
