package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// Tokens are what a login gives. Both are secrets.
type Tokens struct {
	Access  string `json:"access"`  // for every call; lives for minutes
	Refresh string `json:"refresh"` // for another access token; lives for hours; "" = none
}

// keeper has the tokens of a client. The lock is held while they are renewed, so that
// many calls that find a token expired renew it once.
type keeper struct {
	mu   sync.Mutex
	pair Tokens
}

// Login gets tokens for a username and password and uses them from now on.
func (c *Client) Login(ctx context.Context, username, password string) (Tokens, error) {
	pair, err := c.obtain(ctx, username, password)
	if err != nil {
		return Tokens{}, err
	}
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	c.keep(pair)
	return pair, nil
}

func (c *Client) obtain(ctx context.Context, username, password string) (pair Tokens, err error) {
	k := call{method: http.MethodPost, path: "/v1/auth/obtain", open: true}
	err = c.into(ctx, k.withJSON(map[string]string{"username": username, "password": password}), &pair)
	return pair, err
}

// keep is called with the lock held.
func (c *Client) keep(pair Tokens) {
	c.tokens.pair = pair
	if c.cfg.OnTokens != nil {
		c.cfg.OnTokens(pair)
	}
}

// access is the token to try, which may be none: then the service says 401 itself.
func (c *Client) access(ctx context.Context) (string, error) {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if c.tokens.pair.Access == "" && (c.tokens.pair.Refresh != "" || c.cfg.Username != "") {
		if err := c.next(ctx); err != nil {
			return "", err
		}
	}
	return c.tokens.pair.Access, nil
}

// renew replaces a token that was refused, unless another call has done so already.
func (c *Client) renew(ctx context.Context, refused string) error {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if c.tokens.pair.Access != refused {
		return nil
	}
	return c.next(ctx)
}

var errNoRenewal = errors.New("there is nothing to renew the token with")

// next gets the next access token, by the refresh token or by logging in.
func (c *Client) next(ctx context.Context) error {
	err := errNoRenewal
	if c.tokens.pair.Refresh != "" {
		var answer Tokens
		k := call{method: http.MethodPost, path: "/v1/auth/refresh", open: true}
		err = c.into(ctx, k.withJSON(map[string]string{"refresh": c.tokens.pair.Refresh}), &answer)
		if err == nil {
			c.keep(Tokens{Access: answer.Access, Refresh: c.tokens.pair.Refresh})
			return nil
		}
	}
	if c.cfg.Username != "" && isRefusal(err) {
		var pair Tokens
		if pair, err = c.obtain(ctx, c.cfg.Username, c.cfg.Password); err == nil {
			c.keep(pair)
		}
	}
	return err
}

// isRefusal is a renewal that would not go better another time.
func isRefusal(err error) bool {
	if errors.Is(err, errNoRenewal) {
		return true
	}
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusTooManyRequests
}
