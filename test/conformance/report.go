package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is the table of topics and rules.
func Report(results []*Result) string {
	counts := map[string]map[string]int{} // topic → "equal", "D1"…, "wrong"
	rules := map[string]bool{}
	topics := []string{}
	for _, r := range results {
		topic := r.Exchange.Topic
		if counts[topic] == nil {
			counts[topic] = map[string]int{}
			topics = append(topics, topic)
		}
		class := r.class()
		counts[topic][class]++
		if strings.HasPrefix(class, "D") {
			rules[class] = true
		}
	}
	slices.Sort(topics)
	columns := append([]string{"equal"}, slices.SortedFunc(maps.Keys(rules), func(a, b string) int { return cmp.Compare(number(a), number(b)) })...)
	columns = append(columns, "wrong")

	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "topic\texchanges\t%s\t\n", strings.Join(columns, "\t"))
	total := map[string]int{}
	row := func(name string, of map[string]int) {
		sum := 0
		cells := []string{}
		for _, c := range columns {
			sum += of[c]
			cells = append(cells, strconv.Itoa(of[c]))
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t\n", name, sum, strings.Join(cells, "\t"))
	}
	for _, topic := range topics {
		row(topic, counts[topic])
		for class, n := range counts[topic] {
			total[class] += n
		}
	}
	row("all", total)
	_ = table.Flush() // to memory
	return b.String()
}

func number(rule string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(rule, "D"))
	return n
}

// class is "equal", the name of the rule by which the answer differs, or "wrong".
func (r *Result) class() string {
	switch {
	case len(r.Wrong) > 0:
		return "wrong"
	case r.Verdict.Rule == "":
		return "equal"
	}
	return r.Verdict.Rule
}

// Wrong lists what is wrong, one exchange a paragraph.
func Wrong(results []*Result) []string {
	var list []string
	for _, r := range results {
		if len(r.Wrong) == 0 {
			continue
		}
		x := r.Exchange
		var b strings.Builder
		fmt.Fprintf(&b, "%s/%s: %s %.150s", x.Topic, x.ID, x.Request.Method, x.Request.Path)
		for _, h := range x.Request.Headers {
			fmt.Fprintf(&b, " | %s: %.80s", h[0], h[1])
		}
		if body := x.Request.payload(); body != nil {
			fmt.Fprintf(&b, " | %.300q", body)
		}
		fmt.Fprintf(&b, "\n    recorded %d %s", x.Response.Status, x.Response.detail())
		if x.Crash != "" {
			fmt.Fprintf(&b, " %.100s", x.Crash)
		}
		fmt.Fprintf(&b, "\n    want     %.300s", r.Verdict.Want)
		if r.Verdict.Rule != "" {
			fmt.Fprintf(&b, " (by %s)", r.Verdict.Rule)
		}
		if r.Verdict.Note != "" {
			fmt.Fprintf(&b, " (%.200s)", r.Verdict.Note)
		}
		fmt.Fprintf(&b, "\n    got      %d %.300q", r.Got.Status, r.Got.Body)
		for _, wrong := range r.Wrong {
			fmt.Fprintf(&b, "\n    wrong    %.400s", wrong)
		}
		list = append(list, b.String())
	}
	slices.Sort(list)
	return list
}
