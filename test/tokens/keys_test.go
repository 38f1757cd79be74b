package tokens_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"joboutputs/shared/problem"
	"joboutputs/test/report"
)

func (r *rig) accept(raw string) {
	r.Helper()
	r.accepted.Add(1)
	if _, err := r.verifier.Principal(r.Context(), raw); err != nil {
		r.accepted.Add(-1)
		r.wrong.Add(1)
		r.Errorf("a good token: %v", err)
	}
}

func (r *rig) refuse(raw string, want problem.Kind) {
	r.Helper()
	r.refused.Add(1)
	if _, err := r.verifier.Principal(r.Context(), raw); !problem.Is(err, want) {
		r.refused.Add(-1)
		r.wrong.Add(1)
		r.Errorf("got %v, want %s", err, want)
	}
}

func (r *rig) fetched(want int64) {
	r.Helper()
	if got := r.set.fetches.Load(); got != want {
		r.Errorf("%d fetches, want %d", got, want)
	}
}

func (r *rig) unknownKid(i int) string {
	return r.sign(map[string]any{"alg": "ES256", "kid": fmt.Sprint("made-up-", i)}, claims(nil))
}

func TestBadTokensCostNoFetches(t *testing.T) {
	r := newRig(t, nil)
	check := report.Begin(t, "tokens", 0)
	good := r.ecToken(nil)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 1250 {
				r.refuse(r.unknownKid(worker*1250+i), problem.TokenNotValid)
				if i%50 == 0 {
					r.accept(good)
				}
			}
		})
	}
	all.Wait()
	r.fetched(2) // the first, and one for a kid that might have been new
	check.AtLeast("bad tokens with kids that were made up, good ones between them", int(r.refused.Load()), 10_000)
	check.AtMost("fetches of the issuer's keys for these", int(r.set.fetches.Load()), 2)
}

func TestForeignTokensCostNoFetch(t *testing.T) {
	r := newRig(t, nil)
	r.refuse(r.ecToken(map[string]any{"iss": "https://evil.test"}), problem.TokenNotValid)
	r.refuse(r.ecToken(map[string]any{"aud": "theirs"}), problem.TokenNotValid)
	r.refuse("garbage", problem.TokenNotValid)
	r.fetched(0)
}

func TestRotation(t *testing.T) {
	r := newRig(t, nil)
	check := report.Begin(t, "tokens", 0)
	old := r.ecToken(nil)
	r.accept(old)
	for _, attacked := range []bool{false, true} {
		if attacked {
			r.refuse(r.unknownKid(0), problem.TokenNotValid)
			r.clock.pass(10 * time.Second)
		}
		next := newEC(t)
		kid := fmt.Sprint("next-", attacked)
		r.set.publish(ecJWK("ec", &r.ec.PublicKey), ecJWK(kid, &next.PublicKey))
		signed := b64(text(t, map[string]any{"alg": "ES256", "kid": kid})) + "." + b64(text(t, claims(nil)))
		raw := signWith(t, jwt.SigningMethodES256, signed, next)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { r.accept(raw) })
			all.Go(func() { r.accept(old) })
		}
		all.Wait()
		r.clock.pass(10 * time.Second)
	}
	check.AtLeast("requests with old and new keys while keys are rotated, once under attack", int(r.accepted.Load()), 200)
	check.Equal("of these that failed", int(r.wrong.Load()), 0)
}

func TestWithdrawnKey(t *testing.T) {
	r := newRig(t, nil)
	raw := r.ecToken(map[string]any{"exp": start.Unix() + 86400})
	r.accept(raw)
	r.set.publish(rsaJWK("rsa", &r.rsa.PublicKey))
	r.clock.pass(14 * time.Minute)
	r.accept(raw)
	r.fetched(1)
	r.clock.pass(2 * time.Minute)
	r.refuse(raw, problem.TokenNotValid)
	r.fetched(2)
}

func TestIssuerDown(t *testing.T) {
	r := newRig(t, nil)
	check := report.Begin(t, "tokens", 0)
	r.set.down()
	raw := r.ecToken(map[string]any{"exp": start.Unix() + 86400})
	_, err := r.verifier.Principal(t.Context(), raw)
	if f, ok := problem.As(err); !ok || f.Kind != problem.Unavailable || f.RetryAfter <= 0 {
		t.Fatalf("never fetched: got %v, want %s with a time", err, problem.Unavailable)
	}
	for range 1000 {
		r.refuse(raw, problem.Unavailable)
	}
	r.fetched(1)
	check.AtLeast("requests answered 503, the issuer being away before its keys were ever had", int(r.refused.Load()), 1_000)

	r.set.publish(ecJWK("ec", &r.ec.PublicKey))
	r.clock.pass(5 * time.Second)
	r.accept(raw)
	r.fetched(2)

	r.set.down()
	r.clock.pass(time.Hour)
	for range 1000 {
		r.accept(raw)
		r.refuse(r.unknownKid(0), problem.TokenNotValid)
	}
	r.fetched(3)
	check.AtLeast("requests accepted by stale keys, the issuer being away for an hour", int(r.accepted.Load()), 1_000)
	check.Equal("requests with another answer while it was away", int(r.wrong.Load()), 0)
}

// TestUnusableSets holds that an answer that is no key set counts as none.
func TestUnusableSets(t *testing.T) {
	r := newRig(t, nil)
	ec := ecJWK("ec", &r.ec.PublicKey)
	change := func(key map[string]any, name string, value any) map[string]any {
		key = maps.Clone(key)
		key[name] = value
		return key
	}
	rsaKey := rsaJWK("ec", &r.rsa.PublicKey)
	set := func(key map[string]any) string { return text(t, map[string]any{"keys": []any{key}}) }
	for name, answer := range map[string]func() (*http.Response, error){
		"404":            func() (*http.Response, error) { return response(404, strings.NewReader(set(ec))), nil },
		"a redirect":     func() (*http.Response, error) { return redirect("https://evil.test/jwks"), nil },
		"not JSON":       body("<html>"),
		"empty":          body(""),
		"no keys":        body(`{"keys":[]}`),
		"null":           body(`null`),
		"keys twice":     body(`{"keys":[],"keys":[` + text(t, ec) + `]}`),
		"over 256 KiB":   body(`{"pad":"` + strings.Repeat("x", 256<<10) + `","keys":[` + text(t, ec) + `]}`),
		"endless":        func() (*http.Response, error) { return response(200, endless{}), nil },
		"cut":            func() (*http.Response, error) { return response(200, cut{}), nil },
		"no kid":         body(set(change(ec, "kid", ""))),
		"for encryption": body(set(change(ec, "use", "enc"))),
		"to sign":        body(set(change(ec, "key_ops", []string{"sign"}))),
		"another curve":  body(set(change(ec, "crv", "P-384"))),
		"another alg":    body(set(change(ec, "alg", "ES384"))),
		"a symmetric":    body(`{"keys":[{"kty":"oct","kid":"ec","k":"c2VjcmV0"}]}`),
		"not on curve":   body(set(change(ec, "x", b64(strings.Repeat("\x01", 32))))),
		"a short point":  body(set(change(ec, "x", b64("\x01")))),
		"a padded point": body(set(change(ec, "x", ec["x"].(string)+"="))),
		"a small RSA":    body(set(change(rsaKey, "n", b64(strings.Repeat("\xff", 128))))),
		"a vast RSA":     body(set(change(rsaKey, "n", b64(strings.Repeat("\xff", 2048))))),
		"an even e":      body(set(change(rsaKey, "e", b64("\x04")))),
		"e is 1":         body(set(change(rsaKey, "e", b64("\x01")))),
		"a vast e":       body(set(change(rsaKey, "e", b64("\x01\x00\x00\x00\x01")))),
	} {
		t.Run(name, func(t *testing.T) {
			fresh := newRig(t, nil)
			fresh.ec = r.ec
			fresh.set.set(func(*http.Request) (*http.Response, error) { return answer() })
			raw := fresh.ecToken(nil)
			fresh.refuse(raw, problem.Unavailable)
			fresh.fetched(1)

			fresh.set.publish(ecJWK("ec", &r.ec.PublicKey), map[string]any{"kty": "new", "kid": "ec"})
			fresh.clock.pass(time.Minute)
			fresh.accept(raw)
		})
	}
}

func body(text string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return response(200, strings.NewReader(text)), nil }
}

func redirect(to string) *http.Response {
	answer := response(http.StatusFound, bytes.NewReader(nil))
	answer.Header.Set("Location", to)
	return answer
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestSlowIssuer holds the time-out, and that a request that gives up neither ends the
// fetch for the others nor waits for it.
func TestSlowIssuer(t *testing.T) {
	key, ring := newEC(t), oneRSA(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.ec, r.rsa = key, ring
		release := make(chan struct{})
		r.set.set(func(request *http.Request) (*http.Response, error) {
			select {
			case <-request.Context().Done():
				return nil, request.Context().Err()
			case <-release:
				return response(200, strings.NewReader(text(t, map[string]any{"keys": []any{ecJWK("ec", &key.PublicKey)}}))), nil
			}
		})
		began := time.Now()
		r.refuse(r.ecToken(nil), problem.Unavailable)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("gave up after %s, want 2s", took)
		}

		r.clock.pass(time.Minute)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gaveUp := make(chan error, 1)
		go func() {
			_, err := r.verifier.Principal(impatient, r.ecToken(nil))
			gaveUp <- err
		}()
		synctest.Wait()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { r.accept(r.ecToken(map[string]any{"exp": start.Unix() + 600})) })
		}
		if err := <-gaveUp; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient: got %v", err)
		}
		close(release)
		all.Wait()
		r.fetched(2)
	})
}
