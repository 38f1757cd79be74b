// Package outside checks the promises against what the service does not control: clients
// that send content late and again, operators and lifecycle rules that abort multipart
// uploads, stores that throttle one tenant, queue rows that nobody can read, and a second
// process that does the same things at the same time.
package outside

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/localaws"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
	"joboutputs/test/harness"
	"joboutputs/test/report"
)

// partBytes is the least size that S3 takes of a part that is not the last.
const partBytes = uploads.MinPartSize

// whole is the content of uploads: its beginning, of those of one part.
var whole = sync.OnceValue(func() []byte { return storetest.Stuff(partBytes+10, 1) })

// staged is an upload, and what the test knows of it.
type staged struct {
	uploads.Upload
	content []byte
	links   []link
	sent    bool // every part
	lost    bool // an operator may have aborted it
}

// link is a part's link that was handed out, and what it sends.
type link struct {
	part  uploads.Part
	body  []byte
	given time.Time
}

// use sends a part by a link, unless even a PUT that began with its last second is over: the
// stores do not know the time of the test.
func (w *world) use(l link) (sent bool) {
	if w.one.Clock.Now().Sub(l.given) > table.LinkLife+table.MaxPut {
		return false
	}
	code, _ := storetest.Put(w, l.part, l.body, nil)
	return code == http.StatusOK || code == http.StatusPreconditionFailed
}

// world is one seeded course of events.
type world struct {
	testing.TB
	one, two *storetest.Stores // two processes
	rand     *rand.Rand
	name     int
	uploads  []*staged
	outputs  map[int64][]byte // acknowledged and not deleted, by pk
	gone     []int64
	poison   int
	slow     *throttle
	broken   []string
}

func newWorld(t *testing.T, seed uint64) *world {
	slow := &throttle{}
	s := storetest.New(t)
	hook := func(cfg *table.Config) {
		cfg.Backoff = time.Millisecond
		cfg.S3 = localaws.S3(s.AWS.S3Endpoint, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, slow.add) })
	}
	w := &world{TB: t, one: s.With(hook), two: s.With(hook), rand: rand.New(rand.NewPCG(seed, 0)), outputs: map[int64][]byte{}, slow: slow} //nolint:gosec // repeatable, not secret
	w.one.StartedJob(t, 1)
	return w
}

func (w *world) say(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

func (w *world) ctx() context.Context { return storetest.Acting(w) }

// process is one of the two.
func (w *world) process() *storetest.Stores {
	if w.rand.IntN(2) == 0 {
		return w.one
	}
	return w.two
}

// any is one of the uploads; nil = there is none.
func (w *world) any() *staged {
	if len(w.uploads) == 0 {
		return nil
	}
	return w.uploads[w.rand.IntN(len(w.uploads))]
}

// steps are what may happen next.
var steps = []func(w *world){
	(*world).begin, (*world).begin, (*world).send, (*world).send, (*world).send, (*world).complete, (*world).complete, (*world).completeTwice,
	(*world).abort, (*world).resend, (*world).resend, (*world).hardDelete, (*world).hardDelete, (*world).add,
	(*world).cleanup, (*world).cleanup, (*world).wait, (*world).operator, (*world).plant, (*world).toggle,
}

func (w *world) begin() {
	w.name++
	n := storetest.NewUpload(fmt.Sprint("n", w.name), 10)
	u := &staged{content: whole()[:10]}
	if w.rand.IntN(3) == 0 {
		n.Size, n.PartSize, u.content = int64(len(whole())), partBytes, whole()
	}
	got, err := w.process().Uploads.Begin(w.ctx(), storetest.Alice, n)
	if err != nil {
		w.say("begin: %v", err)
		return
	}
	u.Upload = got
	w.uploads = append(w.uploads, u)
}

// send asks for the links of all parts and uses them, or keeps them for later.
func (w *world) send() {
	u := w.any()
	if u == nil {
		return
	}
	later, all := w.rand.IntN(4) == 0, true
	for number := 1; number <= u.PartCount; number++ {
		offset := int64(number-1) * u.PartSize
		body := u.content[offset:min(offset+u.PartSize, int64(len(u.content)))]
		_, sum := storetest.SumOf(body)
		got, err := w.process().Uploads.Status(w.ctx(), storetest.Alice, 1, u.ID, uploads.Wanted{From: number, SHA256: []string{sum}})
		if err != nil {
			w.say("links: %v", err)
			return
		}
		if len(got.Parts) != 1 { // it has ended
			return
		}
		l := link{got.Parts[0], body, w.one.Clock.Now()}
		u.links = append(u.links, l)
		if later {
			all = false
			continue
		}
		all = w.use(l) && all
	}
	u.sent = u.sent || all
}

// resend sends a part once more, by any link that was ever handed out.
func (w *world) resend() {
	if u := w.any(); u != nil && len(u.links) > 0 {
		w.use(u.links[w.rand.IntN(len(u.links))])
	}
}

func (w *world) complete() {
	if u := w.any(); u != nil {
		o, err := w.process().Uploads.Complete(w.ctx(), storetest.Alice, 1, u.ID, uploads.Completion{})
		w.completed(u, o, err)
	}
}

// completeTwice completes by both processes at once, and asks for the status meanwhile.
func (w *world) completeTwice() {
	u := w.any()
	if u == nil {
		return
	}
	var (
		all  sync.WaitGroup
		got  [2]outputs.Output
		errs [2]error
	)
	for i, s := range []*storetest.Stores{w.one, w.two} {
		all.Go(func() { got[i], errs[i] = s.Uploads.Complete(w.ctx(), storetest.Alice, 1, u.ID, uploads.Completion{}) })
	}
	all.Go(func() {
		if _, err := w.one.Uploads.Status(w.ctx(), storetest.Alice, 1, u.ID, uploads.Wanted{From: 1}); err != nil {
			w.say("status: %v", err)
		}
	})
	all.Wait()
	if (errs[0] == nil) != (errs[1] == nil) || got[0].PK != got[1].PK {
		w.say("two completions: %d, %v and %d, %v", got[0].PK, errs[0], got[1].PK, errs[1])
	}
	w.completed(u, got[0], errs[0])
}

// completed checks the response to a completion.
func (w *world) completed(u *staged, o outputs.Output, err error) {
	switch {
	case err == nil:
		if !slices.Contains(w.gone, o.PK) {
			w.outputs[o.PK] = u.content
		}
	case problem.Is(err, problem.UploadIncomplete):
		if u.sent && !u.lost {
			w.say("complete: %v, though every part was sent", err)
		}
	case problem.Is(err, problem.UploadLost):
		if !u.lost {
			w.say("complete: %v, though nobody aborted it", err)
		}
	case problem.Is(err, problem.UploadAborted), problem.Is(err, problem.UploadExpired):
	default:
		w.say("complete: %v", err)
	}
}

func (w *world) abort() {
	if u := w.any(); u != nil {
		if _, err := w.process().Uploads.Abort(w.ctx(), storetest.Alice, 1, u.ID, ""); err != nil && !problem.Is(err, problem.UploadCompleted) {
			w.say("abort: %v", err)
		}
	}
}

func (w *world) add() {
	w.name++
	o, err := w.process().Outputs.Add(w.ctx(), storetest.Alice, storetest.Addition(1, fmt.Sprint("n", w.name), "t", "added"))
	if err != nil {
		w.say("add: %v", err)
		return
	}
	w.outputs[o.PK] = []byte("added")
}

func (w *world) hardDelete() {
	for pk := range w.outputs {
		if _, err := w.process().Outputs.HardDelete(w.ctx(), storetest.Alice, pk, ""); err != nil {
			w.say("hard delete: %v", err)
		}
		delete(w.outputs, pk)
		w.gone = append(w.gone, pk)
		return
	}
}

// cleanup runs, by both processes at once, with or without patience. It reports a failure
// if and only if there is a reason.
func (w *world) cleanup() {
	grace := []time.Duration{0, time.Minute, table.Grace}[w.rand.IntN(3)]
	var all sync.WaitGroup
	for _, s := range []*storetest.Stores{w.one, w.two}[:1+w.rand.IntN(2)] {
		all.Go(func() {
			if _, err := s.Cleaner.Run(context.Background(), grace); err != nil && w.poison == 0 && !w.slow.ever() {
				w.say("cleanup: %v", err)
			}
		})
	}
	all.Wait()
}

func (w *world) wait() {
	w.one.Clock.Advance([]time.Duration{time.Second, time.Minute, table.Grace - time.Minute, table.Grace, uploads.DefaultLife}[w.rand.IntN(5)])
}

// operator aborts every multipart upload there is, as a lifecycle rule may.
func (w *world) operator() {
	for _, u := range w.uploads {
		u.lost = true
	}
	all, err := w.one.AWS.S3.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &w.one.AWS.Bucket})
	if err != nil {
		w.Fatal(err)
	}
	for _, u := range all.Uploads {
		_, err := w.one.AWS.S3.AbortMultipartUpload(context.Background(), &s3.AbortMultipartUploadInput{Bucket: &w.one.AWS.Bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil && !table.HasCode(err, "NoSuchUpload") {
			w.Fatal(err)
		}
	}
}

// plant puts a queue row that nobody can read at the head of its partition.
func (w *world) plant() {
	w.poison++
	row := table.Queued("nobody knows", storetest.Tenant, fmt.Sprint("POISON", w.poison), storetest.Epoch.Add(-24*time.Hour))
	if w.rand.IntN(2) == 0 {
		row.Kind, row.Object = table.TombstoneKind, "another"
	}
	if err := dynamo.NewFromIface(w.one.AWS.DynamoDB).Table(w.one.AWS.Table).Put(row).Run(context.Background()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) toggle() { w.slow.set(!w.slow.on()) }

// end lets everything come to rest and checks what is left: every output that was
// acknowledged, with its content, and nothing else.
func (w *world) end() {
	w.slow.set(false)
	for _, u := range w.uploads { // the last use of every link
		for _, l := range u.links {
			w.use(l)
		}
	}
	for range 3 {
		w.one.Clock.Advance(harness.AllDue)
		if _, err := w.one.Cleaner.Run(context.Background(), table.Grace); err != nil && w.poison == 0 {
			w.say("the last cleanup: %v", err)
		}
	}
	w.unplant()
	stores, err := harness.ReadStores(context.Background(), w.one.AWS)
	if err != nil {
		w.Fatal(err)
	}
	w.broken = append(w.broken, stores.Broken(true)...)
	for pk, content := range w.outputs {
		o, err := w.one.Outputs.Output(w.ctx(), storetest.Tenant, pk)
		if err != nil {
			w.say("output %d was acknowledged: %v", pk, err)
		} else if got := w.one.Content(w, o); got != string(content) {
			w.say("output %d has other content", pk)
		}
	}
}

// unplant removes the planted rows, of which every one must still be there.
func (w *world) unplant() {
	rows := dynamo.NewFromIface(w.one.AWS.DynamoDB).Table(w.one.AWS.Table)
	found := 0
	for _, partition := range table.QueuePartitions() {
		var all []dynamo.Item
		if err := rows.Get("PK", partition).All(context.Background(), &all); err != nil {
			w.Fatal(err)
		}
		for _, item := range all {
			var row table.QueueRow
			if err := dynamo.UnmarshalItem(item, &row); err == nil && strings.Contains(row.Sort, "POISON") {
				found++
				if err := rows.Delete("PK", row.Partition).Range("SK", row.Sort).Run(context.Background()); err != nil {
					w.Fatal(err)
				}
			}
		}
	}
	if found != w.poison {
		w.say("%d of %d rows that nobody can read are left", found, w.poison)
	}
}

// throttle is S3 that refuses to delete objects.
type throttle struct {
	mu        sync.Mutex
	now, once bool
}

func (s *throttle) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.once = on, s.once || on
}

func (s *throttle) on() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *throttle) ever() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.once
}

func (s *throttle) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("throttle", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch in.Parameters.(type) {
		case *s3.DeleteObjectInput, *s3.DeleteObjectsInput:
			if s.on() {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "SlowDown", Message: "Please reduce your request rate."}
			}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// TestOutside runs seeded courses of events.
func TestOutside(t *testing.T) {
	check := report.Begin(t, "outside", report.Seed())
	courses, wrong, done := report.Count(24, 1000), 0, 0
	var mu sync.Mutex
	t.Run("courses", func(t *testing.T) {
		for n := range courses {
			seed := report.Seed()<<32 + uint64(n) //nolint:gosec // small
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, seed)
				for range 40 {
					steps[w.rand.IntN(len(steps))](w)
				}
				w.end()
				mu.Lock()
				defer mu.Unlock()
				done++
				check.Tell(done, courses)
				if len(w.broken) > 0 {
					wrong++
					t.Error(errors.New(strings.Join(w.broken, "\n")))
				}
			})
		}
	})
	check.AtLeast("courses of 40 events", done, courses)
	check.Equal("of these with a promise broken", wrong, 0)
}
