// Package cost computes what a million calls of each action cost, from the calls that a
// test counts (functions/testdata/calls.json), the CPU time that test/bench/lambda
// measures (durations.json) and a dated list of prices (prices.json). Called by
// test/bench.
package cost

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"joboutputs/functions"
	"joboutputs/shared/auth"
	"joboutputs/shared/table"
	"joboutputs/test/bench/result"
)

// The files of this package's folder: what AWS asks for, with date and source, and the CPU
// milliseconds of a warm invocation of each action, which test/bench/lambda writes.
const (
	Prices    = "prices.json"
	Durations = "durations.json"
)

type prices struct {
	Date, Region, Source string
	PerMillion           struct {
		REST      float64 `json:"rest_api_request"`
		HTTP      float64 `json:"http_api_request"`
		Request   float64 `json:"lambda_request"`
		GBSecond  float64 `json:"lambda_gb_second"`
		ReadUnit  float64 `json:"dynamodb_read_unit"`
		WriteUnit float64 `json:"dynamodb_write_unit"`
		S3Put     float64 `json:"s3_put"`
		S3Get     float64 `json:"s3_get"`
	} `json:"per_million"`
	Assumed struct {
		Read        float64 `json:"dynamodb_read_ms"`
		Write       float64 `json:"dynamodb_write_ms"`
		Transaction float64 `json:"dynamodb_transaction_ms"`
		S3Put       float64 `json:"s3_put_ms"`
		S3Get       float64 `json:"s3_get_ms"`
		S3Delete    float64 `json:"s3_delete_ms"`
		WholeCPU    float64 `json:"mb_of_a_whole_cpu"`
	} `json:"assumed"`
}

// counted is a line of calls.json.
type counted struct {
	Action auth.Action `json:"action"`
	How    string      `json:"how"`
	Calls  []struct {
		Call  string  `json:"call"`
		Units float64 `json:"units"`
	} `json:"calls"`
}

// bill is what a million calls of an action cost, in dollars, but for the gateway.
type bill struct {
	action auth.Action
	ms     float64 // of Lambda, for one call
	items  map[string]float64
}

// The items of a bill.
const (
	lambdaRequest = "Lambda, requests"
	lambdaTime    = "Lambda, time"
	reads         = "DynamoDB, reads"
	writes        = "DynamoDB, single writes"
	transactions  = "DynamoDB, transactions"
	s3Put         = "S3, PUT and LIST"
	s3Get         = "S3, GET"
	gateway       = "API Gateway, REST"
)

// Run computes; there is nothing to be quick about.
func Run(ctx context.Context, _ bool) ([]result.Table, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	var (
		calls []counted
		p     prices
		cpu   map[auth.Action]float64
	)
	for path, into := range map[string]any{
		"functions/testdata/calls.json": &calls,
		"test/bench/cost/" + Prices:     &p,
		"test/bench/cost/" + Durations:  &cpu,
	} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	bills, err := bills(calls, p, cpu)
	if err != nil {
		return nil, err
	}
	return []result.Table{perMillion(bills, p), largest(bills, p)}, nil
}

// bills are those of the actions' ordinary ways, in the catalogue's order. An action
// without calls is billed for the gateway and its Lambda.
func bills(calls []counted, p prices, cpu map[auth.Action]float64) ([]bill, error) {
	var all []bill
	for _, f := range functions.Catalogue() {
		if f.HTTP == nil {
			continue // the authorizer's answers are cached by the gateway; the cleanup is no call
		}
		used, ok := cpu[f.Name]
		if !ok {
			return nil, fmt.Errorf("%s does not say how long %s takes", Durations, f.Name)
		}
		b := bill{action: f.Name, items: map[string]float64{lambdaRequest: p.PerMillion.Request}}
		b.ms = used * max(1, p.Assumed.WholeCPU/float64(f.Memory)) // a part of the memory is a part of a CPU
		if i := slices.IndexFunc(calls, func(c counted) bool { return c.Action == f.Name && c.How == "" }); i >= 0 {
			if f.Name == auth.OutputsList { // one a shard, which the test has fewer of
				calls[i].Calls = slices.Repeat(calls[i].Calls[:1], table.DefaultShards)
			}
			for _, call := range calls[i].Calls {
				item, price, ms, err := p.of(call.Call)
				if err != nil {
					return nil, err
				}
				b.items[item] += price * cmp.Or(call.Units, 1) // S3 charges requests
				b.ms += ms
			}
		}
		b.items[lambdaTime] = b.ms / 1000 * float64(f.Memory) / 1024 * p.PerMillion.GBSecond
		all = append(all, b)
	}
	return all, nil
}

// of is the item of the bill that a call belongs to, its price a unit, and how long it is
// taken to last.
func (p prices) of(call string) (item string, price, ms float64, err error) {
	switch call {
	case "GetItem", "BatchGetItem", "Query":
		return reads, p.PerMillion.ReadUnit, p.Assumed.Read, nil
	case "PutItem", "UpdateItem", "DeleteItem":
		return writes, p.PerMillion.WriteUnit, p.Assumed.Write, nil
	case "TransactWriteItems":
		return transactions, p.PerMillion.WriteUnit, p.Assumed.Transaction, nil
	case "PutObject", "CreateMultipartUpload", "CompleteMultipartUpload", "ListParts":
		return s3Put, p.PerMillion.S3Put, p.Assumed.S3Put, nil
	case "GetObject", "HeadObject":
		return s3Get, p.PerMillion.S3Get, p.Assumed.S3Get, nil
	case "DeleteObject", "AbortMultipartUpload": // free
		return s3Get, 0, p.Assumed.S3Delete, nil
	}
	return "", 0, 0, fmt.Errorf("%s has no price", call)
}

func (b *bill) sum(items ...string) float64 {
	total := 0.0
	for _, item := range items {
		total += b.items[item]
	}
	return total
}

func perMillion(bills []bill, p prices) result.Table {
	t := result.Table{
		Name: "cost", Title: "Dollars per million calls",
		Columns: []string{"action", "DynamoDB", "S3", "Lambda", "Lambda ms", "with a REST API", "with an HTTP API"},
		Note: fmt.Sprintf("Prices of %s in %s: %s. Calls as counted, rows of up to 1 KB, reads of up to 4 KB, the default of %d timeline shards; "+
			"Lambda's time is the measured CPU time, stretched to the part of a CPU that its memory gives, and assumed times for the calls (test/bench/cost/prices.json). "+
			"Not in it: storage, traffic out (0.09 a GB), logs, the authorizer (cached), free tiers. The parts of a staged upload are PUTs of the client's own.",
			p.Date, p.Region, p.Source, table.DefaultShards),
	}
	dollars := func(d float64) string { return fmt.Sprintf("%.2f", d) }
	for _, b := range bills {
		db, s3, fn := b.sum(reads, writes, transactions), b.sum(s3Put, s3Get), b.sum(lambdaRequest, lambdaTime)
		t.Rows = append(t.Rows, []string{
			string(b.action), dollars(db), dollars(s3), dollars(fn), fmt.Sprintf("%.0f", b.ms),
			dollars(db + s3 + fn + p.PerMillion.REST), dollars(db + s3 + fn + p.PerMillion.HTTP),
		})
	}
	return t
}

// done is what was done about an item of the bill.
var done = map[string]string{
	gateway: "An HTTP API costs 2.50 less a million, but it decodes paths, which loses information, and streams no answers: the last column says what is paid for that. One request adds, lists or gets; pages of up to 1,000 rows and streams keep the number of requests down.",
	transactions: "Only what must be both or neither is in a transaction: an add's two rows and its intent, a deletion's two rows, a job and its node. " +
		"An add's counter and intent and the removal of a tombstone are outside, at half the price; what changes nothing writes nothing.",
	s3Put:         "One PUT a content, no copy and no listing; completing an upload lists its parts once and no longer looks at the object afterwards.",
	s3Get:         "Content above 4 MiB is got by link, and what is unchanged is answered from the row.",
	writes:        "An add draws its number and puts its intent at once, one unit each; nothing is written to say that something was read.",
	reads:         "One strongly consistent read of one row to retrieve or download; what a write must know is read in one BatchGetItem; start and finish no longer read the node.",
	lambdaTime:    "Functions have 128 MB but where contents pass through; a start compiles no patterns, makes no call and searches no credentials.",
	lambdaRequest: "One invocation a request, and the authorizer's answers are cached.",
}

// largest are the three biggest items over one million calls of every action.
func largest(bills []bill, p prices) result.Table {
	totals := map[string]float64{gateway: p.PerMillion.REST * float64(len(bills))}
	sum := totals[gateway]
	for _, b := range bills {
		for item, dollars := range b.items {
			totals[item] += dollars
			sum += dollars
		}
	}
	t := result.Table{
		Name: "cost-items", Title: "The three biggest items",
		Columns: []string{"item", "part of the bill", "what was done about it"},
		Note:    "Over as many calls of every action.",
	}
	order := slices.SortedFunc(maps.Keys(totals), func(a, b string) int { return cmp.Or(cmp.Compare(totals[b], totals[a]), cmp.Compare(a, b)) })
	for _, item := range order[:3] {
		t.Rows = append(t.Rows, []string{item, fmt.Sprintf("%.0f %%", 100*totals[item]/sum), done[item]})
	}
	return t
}
