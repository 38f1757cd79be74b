package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"joboutputs/infra/local/seed"
)

// Target is a service that can be asked.
type Target struct {
	Addr  string                                                    // host:port
	Load  func(ctx context.Context, s *seed.Seed) error             // loads a tenant's users, rows and bytes
	Token func(tenant, placeholder string, v *View) (string, error) // makes the token a placeholder names

	Workers int // how many requests and scenarios are under way at a time; 0 = 4

	// Described holds an exchange against the API's description; nil = nobody asks.
	Described func(request []byte, got *Answer) error
}

// Result is what became of one exchange.
type Result struct {
	Exchange *Exchange
	Verdict  Verdict
	Wrong    []string // what is wrong with the answer; empty = nothing
	Got      *Answer
}

// Replay sends every exchange of the plan and judges the answers. The default tenant is
// for the auth topic; other shared exchanges and scenarios have tenants of their own. An
// error is something that no single answer shows; the results are there all the same.
func Replay(ctx context.Context, target *Target, plan *Plan, s *seed.Seed) ([]*Result, error) {
	r := &replay{target: target, seed: s}
	authWorld, err := r.tenant(ctx, seed.DefaultTenant)
	if err != nil {
		return nil, err
	}
	sharedWorld, err := r.tenant(ctx, "shared")
	if err != nil {
		return nil, err
	}
	for _, exchanges := range [][]*Exchange{plan.Reads, plan.Refused} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(cmp.Or(target.Workers, 4))
		for _, x := range exchanges {
			w := sharedWorld
			if x.Topic == "auth" {
				w = authWorld
			}
			group.Go(func() error {
				_, err := r.judge(ctx, x, w, true)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return r.results, err
		}
	}
	touched := errors.Join(r.untouched(ctx, authWorld), r.untouched(ctx, sharedWorld))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(target.Workers, 4))
	for i, sc := range plan.Scenarios {
		group.Go(func() error { return r.scenario(ctx, fmt.Sprintf("scenario-%d", i+1), sc) })
	}
	return r.results, errors.Join(group.Wait(), touched)
}

type replay struct {
	target *Target
	seed   *seed.Seed

	mu      sync.Mutex
	results []*Result
	text401 string // the one text of a 401
}

// tenant loads a fresh tenant.
func (r *replay) tenant(ctx context.Context, name string) (*World, error) {
	s := *r.seed
	s.Tenant = name
	if err := r.target.Load(ctx, &s); err != nil {
		return nil, fmt.Errorf("load tenant %s: %w", name, err)
	}
	return NewWorld(&s, time.Now()), nil
}

func (r *replay) scenario(ctx context.Context, name string, sc *Scenario) error {
	w, err := r.tenant(ctx, name)
	if err != nil {
		return err
	}
	for i := range sc.At {
		for _, x := range sc.At[i] {
			v, err := r.judge(ctx, x, w, true)
			if err != nil {
				return err
			}
			v.view.Learn(v.verdict, v.got)
		}
		if i == len(sc.Steps) {
			break
		}
		v, err := r.judge(ctx, sc.Steps[i], w, sc.First[i])
		if err != nil {
			return err
		}
		v.view.Learn(v.verdict, v.got)
	}
	return nil
}

type judged struct {
	view    *View
	verdict Verdict
	got     *Answer
}

// judge sends one exchange and compares the answer; count says whether it is reported.
func (r *replay) judge(ctx context.Context, x *Exchange, w *World, count bool) (*judged, error) {
	v := NewView(x, w)
	verdict := Judge(v)
	token := func(placeholder string) (string, error) { return r.target.Token(w.Seed.Tenant, placeholder, v) }
	request, err := wireRequest(&x.Request, v.path, r.target.Addr, func(text string) (string, error) { return fill(text, token) })
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", x.Topic, x.ID, err)
	}
	got, err := exchangeBytes(ctx, r.target.Addr, x.Request.Method, request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		got = &Answer{Body: []byte(err.Error())}
	}
	wrong := v.Check(verdict.Want, got)
	if r.target.Described != nil && got.Status != 0 {
		if err := r.target.Described(request, got); err != nil {
			wrong = append(wrong, "OpenAPI: "+err.Error())
		}
	}
	if count {
		r.mu.Lock()
		defer r.mu.Unlock()
		if got.Status == 401 && !v.auth() && v.method != "HEAD" {
			wrong = append(wrong, r.same401(got)...)
		}
		r.results = append(r.results, &Result{x, verdict, wrong, got})
	}
	return &judged{v, verdict, got}, nil
}

// same401 holds every 401 but those of auth to the first one's text (deviation D5).
func (r *replay) same401(got *Answer) []string {
	text := detailOf(got.Body)
	if r.text401 == "" {
		r.text401 = text
	}
	if text != r.text401 {
		return []string{fmt.Sprintf("a 401 says %q, another one %q", text, r.text401)}
	}
	return nil
}

// untouched makes sure that a shared tenant holds what it held.
func (r *replay) untouched(ctx context.Context, w *World) error {
	body := `{"include_inactive": true}`
	x := &Exchange{Topic: "shared", ID: "afterwards", Request: Request{
		Method: "POST", Path: "/v1/job-outputs/list", Body: &body,
		Headers: [][2]string{{"Authorization", "Bearer {{access:" + anybody + "}}"}, {"Content-Type", "application/json"}},
	}}
	all := []int64{}
	for _, o := range w.All() {
		all = append(all, o.PK)
	}
	x.Response = Response{Status: 200, PKs: &all}
	v, err := r.judge(ctx, x, w, false)
	if err != nil {
		return err
	}
	if wrong := v.view.Check(v.verdict.Want, v.got); len(wrong) > 0 {
		return fmt.Errorf("requests that are refused changed tenant %s: %s", w.Seed.Tenant, strings.Join(wrong, "; "))
	}
	return nil
}

func detailOf(body []byte) string {
	r := Response{JSON: body}
	return r.detail()
}
