package fuzz

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"joboutputs/shared/api"
	"joboutputs/test/harness"
	"joboutputs/test/openapicheck"
	"joboutputs/test/report"
)

// clients is how many send at the same time, each in a tenant of its own, so that what
// each sends and is answered does not depend on the others.
const clients = 4

// TestAnswersAreDescribed sends requests made from the description, valid and broken, and
// holds every answer against it.
func TestAnswersAreDescribed(t *testing.T) {
	seed := report.Seed()
	check := report.Begin(t, "api-fuzz", seed)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	validator, err := openapicheck.New()
	if err != nil {
		t.Fatal(err)
	}
	rig := harness.New(t)
	rig.Clock.Tick(time.Millisecond)
	count := report.Count(600, 20_000)
	var wg sync.WaitGroup
	all := make([]client, clients)
	for i := range all {
		tenant := fmt.Sprintf("fuzz-%d", i)
		rig.Load(t, world(), tenant)
		c := &all[i]
		c.t, c.validator, c.address = t, validator, strings.TrimPrefix(rig.URL, "http://")
		for _, user := range []string{"admin", "admin", "admin", "admin", "alice", "alice", "bob"} { // the first may most
			c.tokens = append(c.tokens, rig.Login(t, user, tenant).Token)
		}
		c.maker = NewMaker(doc, seed, uint64(i), knowledge(t, rig, tenant))
		c.stage(rig, tenant)
		wg.Go(func() { c.send(count / clients) })
	}
	wg.Wait()

	var total client
	succeeded := map[string]bool{}
	statuses := map[int]int{}
	for _, c := range all {
		total.valid += c.valid
		total.broken += c.broken
		total.serverErrors += c.serverErrors
		total.undocumented += c.undocumented
		total.violations += c.violations
		for _, a := range c.answers {
			statuses[a.status]++
			if a.status < 400 {
				succeeded[a.operation] = true
			}
		}
	}
	want := 0
	for _, o := range Operations(doc) {
		if o.Succeeds {
			want++
			if !succeeded[o.String()] {
				t.Logf("%s never succeeded", o)
			}
		}
	}
	t.Logf("statuses: %v", statuses)
	check.AtLeast("requests sent, valid and broken", total.valid+total.broken, count)
	check.AtLeast("of these broken", total.broken, count/3)
	check.Equal("answers 5xx", total.serverErrors, 0)
	check.Equal("statuses that are not described", total.undocumented, 0)
	check.Equal("other differences from the description, in headers, media type, body and what is accepted", total.violations, 0)
	if count >= 20_000 { // in fewer, chance may leave one out
		check.Equal("operations that succeeded at least once, of those that can", len(succeeded), want)
	}
}

// client sends requests over a connection and judges the answers.
type client struct {
	t         *testing.T
	validator *openapicheck.Validator
	maker     *Maker
	address   string
	tokens    []string
	conn      net.Conn
	read      *bufio.Reader

	valid, broken, serverErrors, undocumented, violations int
	answers                                               []answer
}

type answer struct {
	operation string
	status    int
}

// send makes and sends requests.
func (c *client) send(count int) {
	for range count {
		r := c.maker.Next()
		if _, said := r.Header["Authorization"]; !said {
			r.Header.Set("Authorization", "Bearer "+pick(c.maker.rnd, c.tokens))
		}
		response, body, err := c.exchange(r)
		if err != nil {
			c.t.Errorf("%s %.300s (%v): %v", r.Method, r.Target, r.Broken, err)
			return
		}
		c.judge(r, response, body)
	}
}

func (c *client) judge(r Request, response *http.Response, body []byte) {
	if len(r.Broken) > 0 {
		c.broken++
	} else {
		c.valid++
	}
	if r.Method == r.Operation.Method && len(r.Broken) == 0 {
		c.answers = append(c.answers, answer{r.Operation.String(), response.StatusCode})
	}
	err := c.validator.Check(openapicheck.Exchange{
		Method: r.Method, Target: r.Target, RequestHeader: r.Header, RequestBody: r.Body,
		Status: response.StatusCode, Header: response.Header, Body: body,
	})
	if err == nil {
		err = stored(r, response, body)
	}
	switch {
	case response.StatusCode >= 500:
		c.serverErrors++
		err = fmt.Errorf("%d %.300s", response.StatusCode, body)
	case err == nil:
		c.learn(response.StatusCode, body)
		return
	case strings.Contains(err.Error(), "is not answered"), strings.Contains(err.Error(), "the answer is n"):
		c.undocumented++
	default:
		c.violations++
	}
	if c.serverErrors+c.undocumented+c.violations <= 5 {
		header := r.Header.Clone()
		header.Del("Authorization")
		c.t.Errorf("%.2000v\nbroken: %q\nsent: %s %.500s %.600v\n%.600q\nanswered: %d %v\n%.600s", err, r.Broken, r.Method, r.Target, header, r.Body, response.StatusCode, response.Header, body)
	}
}

// stored holds that what an add has stored is what was sent, and that its digests say so.
func stored(r Request, response *http.Response, body []byte) error {
	var made struct{ SHA256 string }
	if !strings.HasSuffix(r.Operation.Template, "/outputs/{name}/{type}") || response.Request.Method != http.MethodPost || response.StatusCode != http.StatusOK ||
		len(r.Header.Values("X-HTTP-Method-Override")) > 0 || json.Unmarshal(body, &made) != nil || made.SHA256 == "" {
		return nil
	}
	sum := sha256.Sum256(r.Body)
	if got, want := made.SHA256, hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("content of SHA-256 %s was sent, %s stored", want, got)
	}
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Content-Encoding"), ","), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return fmt.Errorf("content with the coding %s was stored", coding)
		}
	}
	value := strings.TrimRight(base64.StdEncoding.EncodeToString(sum[:]), "=")
	for _, name := range []string{"Repr-Digest", "Content-Digest", "X-Amz-Checksum-Sha256"} {
		for _, stated := range r.Header.Values(name) {
			if (name == "X-Amz-Checksum-Sha256" || strings.Contains(strings.ToLower(stated), "sha-256=")) && !strings.Contains(stated, value) {
				return fmt.Errorf("content was stored that does not have the digest %s: %s", name, stated)
			}
		}
	}
	return nil
}

// learn takes keys and names of what was made into later requests.
func (c *client) learn(status int, body []byte) {
	var made struct {
		PK, Job    *int64
		ID         string
		Name, Type string
		Outputs    []any
	}
	if status > 299 || json.Unmarshal(body, &made) != nil {
		return
	}
	switch {
	case made.ID != "":
		c.maker.Learn("id", made.ID)
	case made.PK != nil && made.Outputs != nil:
		c.maker.Learn("job", *made.PK)
	case made.PK != nil && made.Job != nil && made.Name != "":
		c.maker.Learn("pk", *made.PK)
		c.maker.Learn("name", made.Name)
		c.maker.Learn("type", made.Type)
	}
}

// exchange sends a request as it is, which net/http's client would correct or refuse.
func (c *client) exchange(r Request) (*http.Response, []byte, error) {
	var message bytes.Buffer
	fmt.Fprintf(&message, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Target, c.address)
	_ = r.Header.Write(&message) // a buffer takes everything
	fmt.Fprintf(&message, "Content-Length: %d\r\n\r\n%s", len(r.Body), r.Body)
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return nil, nil, err
		}
		c.conn, c.read = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.conn.Write(message.Bytes()); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(c.read, &http.Request{Method: strings.ToUpper(r.Method)})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(response.Body)
	if response.Close {
		c.conn.Close()
		c.conn = nil
	}
	return response, body, err
}

// staged is the content of the uploads that wait to be completed.
const staged = "content of one part"

func stagedSum() string {
	sum := sha256.Sum256([]byte(staged))
	return hex.EncodeToString(sum[:])
}

// stage begins uploads and sends their parts, so that there are some to complete.
func (c *client) stage(rig *harness.Rig, tenant string) {
	admin := rig.Login(c.t, "admin", tenant)
	for i := range 12 {
		begun := admin.Do(c.t, rig.URL, harness.Request{Method: "POST", Path: "/v1/jobs/1/uploads", Body: fmt.Sprintf(`{"name":"staged-%d","type":"bin","size":%d}`, i, len(staged))})
		begun.Want(c.t, http.StatusCreated)
		var upload struct{ ID string }
		begun.Decode(c.t, &upload)
		link := admin.Do(c.t, rig.URL, harness.Request{Method: "GET", Path: "/v1/jobs/1/uploads/" + upload.ID + "?sha256=" + stagedSum()})
		link.Want(c.t, http.StatusOK)
		var parts struct {
			Parts []struct {
				URL     string
				Headers map[string]string
			}
		}
		link.Decode(c.t, &parts)
		put := harness.Caller{}.Do(c.t, parts.Parts[0].URL, harness.Request{Method: "PUT", Body: staged, Header: parts.Parts[0].Headers})
		put.Want(c.t, http.StatusOK)
		c.maker.Learn("id", upload.ID)
	}
}

// knowledge is what means something in a world.
func knowledge(t *testing.T, rig *harness.Rig, tenant string) map[string][]any {
	t.Helper()
	pair := harness.Caller{}.Do(t, rig.URL, harness.Request{Method: "POST", Path: "/v1/auth/obtain", Body: fmt.Sprintf(`{"username":"admin@%s","password":"admin"}`, tenant)})
	var tokens struct{ Access, Refresh string }
	pair.Decode(t, &tokens)
	known := map[string][]any{
		"Node-Id": {"1", "2"}, "node": {1, 2, nil}, "sha256": {stagedSum(), nil},
		"job/start": {6, 7, 8}, "job/complete": {1}, "job/{id}": {1}, "job/{type}": {1, 1, 2}, "job/uploads": {1, 2, 2}, "job/info": {1, 1, 2}, "username": {"admin@" + tenant}, "password": {"admin"},
		"refresh": {tokens.Refresh}, "token": {tokens.Access, tokens.Refresh}, "from": {1},
	}
	for pk := range 20 {
		known["pk"] = append(known["pk"], int64(pk+1))
		known["name"] = append(known["name"], fmt.Sprintf("output-%d", pk+1))
	}
	known["type"] = []any{"txt"}
	for _, pk := range []int64{1, 1, 1, 2, 3, 4, 5, 6, 7, 8} {
		known["job"] = append(known["job"], pk)
	}
	return known
}

// world is a seed: jobs in every state, and outputs of the first.
func world() string {
	const times = `"creator": 1, "creation_time": "2026-01-05T08:55:00Z", "deletion_time": null, "is_meta": false`
	job := func(pk int, node, started, ended string) string {
		return fmt.Sprintf(`{"pk": %d, "description": "job", "node": %s, "start_time": %s, "end_time": %s, "error_reason": null, %s}`, pk, node, started, ended, times)
	}
	const began, ended = `"2026-01-05T09:00:00Z"`, `"2026-01-05T10:00:00Z"`
	jobs := []string{
		job(1, "1", began, "null"), job(2, "2", began, "null"), job(3, "1", "null", "null"), job(4, "null", "null", "null"), job(5, "1", began, ended), job(6, "2", "null", "null"),
		job(7, "2", "null", "null"), job(8, "2", "null", "null"),
	}
	var outputs []string
	for pk := 1; pk <= 20; pk++ {
		outputs = append(outputs, fmt.Sprintf(`{"pk": %d, "job": 1, "name": "output-%d", "type": "txt", "creator": 1, "creation_time": "2026-01-05T09:%02d:00Z", "deletion_time": null, "data_b64": "aGVsbG8="}`, pk, pk, pk))
	}
	slices.Reverse(outputs)
	return `{"tenant": "{tenant}", "users": [
		{"pk": 1, "username": "admin", "is_staff": true, "password": "admin", "nodes": [1, 2]},
		{"pk": 2, "username": "alice", "is_staff": false, "password": "alice", "nodes": [1]},
		{"pk": 3, "username": "bob", "is_staff": false, "password": "bob", "nodes": []}],
		"nodes": [{"pk": 1, "current_job": 1}, {"pk": 2}],
		"jobs": [` + strings.Join(jobs, ",") + `], "job_outputs": [` + strings.Join(outputs, ",") + `]}`
}
