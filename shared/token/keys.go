package token

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"joboutputs/shared/problem"
)

// How keys are kept.
const (
	fetchTimeout    = 2 * time.Second
	maxSet          = 256 << 10        // bytes of a JWK set
	fresh           = 15 * time.Minute // how long a key the issuer withdrew may still count
	afterFailure    = 5 * time.Second  // until the next fetch when one failed
	betweenUnknowns = 10 * time.Second // between fetches for the sake of an unknown kid
)

// keys is the issuer's key set, fetched when it is needed:
//
//   - a key in a fresh set is answered at once, whatever else goes on;
//   - a set past its time is fetched again, and kept while the issuer does not answer;
//   - a kid that is not in the set may be a new key, so the set is fetched again, but not
//     more often than betweenUnknowns: kids are made up for free;
//   - fetches never run side by side; who needs one that is under way waits for it.
type keys struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	known   map[string][]key // by kid; nil = never fetched
	expires time.Time        // of known
	retry   time.Time        // no fetch before: the last one failed
	failure error            // of the last fetch, nil if it did not fail
	unknown time.Time        // no fetch for an unknown kid before
	flight  chan struct{}    // closed when the fetch under way ends; nil = none is
}

func newKeys(url string, client *http.Client, now func() time.Time) *keys {
	// A redirect could lead away from the issuer, or from TLS.
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &keys{url: url, client: &own, now: now}
}

// find returns the key of this kid for this algorithm.
func (k *keys) find(ctx context.Context, kid, alg string) (crypto.PublicKey, error) {
	looked := false // whether a set was fetched since we asked
	for {
		found, flight, err := k.next(ctx, kid, &looked)
		if err != nil {
			return nil, err
		}
		if flight == nil {
			return choose(found, alg)
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the issuer's keys: %w", ctx.Err())
		}
	}
}

// next returns the keys of the kid, or else a fetch to wait for before asking again.
func (k *keys) next(ctx context.Context, kid string, looked *bool) (found []key, flight <-chan struct{}, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	found, ok := k.known[kid]
	current := k.known != nil && now.Before(k.expires)
	switch {
	case ok && (current || *looked || k.flight != nil || now.Before(k.retry)):
		return found, nil, nil
	case k.flight != nil:
		return nil, k.flight, nil
	case k.known == nil && now.Before(k.retry):
		return nil, nil, problem.New(problem.Unavailable, noKeysText).After(k.retry.Sub(now)).Because(k.failure)
	case *looked, now.Before(k.retry):
		return nil, nil, refuse("header: kid is unknown")
	case current && now.Before(k.unknown):
		return nil, nil, refuse("header: kid is unknown, and the keys were fetched for another one just now")
	case current:
		k.unknown = now.Add(betweenUnknowns)
	}
	*looked = true
	return nil, k.fetchLocked(ctx), nil
}

// choose picks the key that is good for the algorithm: a token never makes a key serve
// another one than its own (RFC 8725 §3.1).
func choose(found []key, alg string) (crypto.PublicKey, error) {
	for _, k := range found {
		if k.alg == alg {
			return k.public, nil
		}
	}
	return nil, refuse("header: the algorithm is not the key's")
}

// fetchLocked starts a fetch, which outlives the request that needed it: others may wait.
func (k *keys) fetchLocked(ctx context.Context) <-chan struct{} {
	flight := make(chan struct{})
	k.flight = flight
	ctx = context.WithoutCancel(ctx)
	go func() {
		known, err := k.fetch(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		if now := k.now(); err == nil {
			k.known, k.expires = known, now.Add(fresh)
		} else {
			k.retry = now.Add(afterFailure)
		}
		k.failure, k.flight = err, nil
		close(flight)
	}()
	return flight
}

func (k *keys) fetch(ctx context.Context) (map[string][]key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the JWK set: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch the JWK set: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the JWK set: %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, fmt.Errorf("fetch the JWK set: %w", err)
	}
	if len(text) > maxSet {
		return nil, errors.New("fetch the JWK set: it is too large")
	}
	return parseSet(text)
}
