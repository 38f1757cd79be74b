package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"joboutputs/infra/local/seed"
	"joboutputs/test/harness"
	"joboutputs/test/openapicheck"
)

// newTarget starts the whole service in this process, on a table and a bucket of its own.
// Nothing else in this package knows the service.
func newTarget(t *testing.T) *Target {
	t.Helper()
	rig := harness.Start(t, harness.Config{Now: time.Now})
	description, err := openapicheck.New()
	if err != nil {
		t.Fatal(err)
	}
	doors := &doors{addr: strings.TrimPrefix(rig.URL, "http://"), minter: rig.Service.Issuer, open: map[string]login{}}
	return &Target{
		Addr:  doors.addr,
		Load:  func(ctx context.Context, s *seed.Seed) error { return rig.Service.Load(ctx, s) },
		Token: doors.token,

		Described: func(request []byte, got *Answer) error { return described(description, request, got) },
	}
}

// described holds an exchange against the OpenAPI document. A request that net/http can't
// read has no place in it.
func described(v *openapicheck.Validator, request []byte, got *Answer) error {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	return v.Check(openapicheck.Exchange{
		Method: strings.ToUpper(r.Method), Target: r.RequestURI, RequestHeader: r.Header, RequestBody: body,
		Status: got.Status, Header: got.Header, Body: got.Body,
	})
}

// doors logs users in: name in the default tenant, name@tenant elsewhere. Tokens that no
// login gives are minted.
type doors struct {
	addr   string
	minter Minter

	mu   sync.Mutex
	open map[string]login // by name@tenant
}

type login struct {
	access, refresh string
	at              time.Time
}

func (d *doors) token(tenant, placeholder string, v *View) (string, error) {
	use, defect, name := splitPlaceholder(placeholder)
	user, known := v.w.User(name)
	if defect != "" || !known || !user.Active {
		return makeToken(d.minter, tenant, placeholder)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.open[name+"@"+tenant]
	if time.Since(l.at) > time.Minute { // long before an access token ends
		var err error
		if l, err = d.logIn(tenant, user); err != nil {
			return "", err
		}
		d.open[name+"@"+tenant] = l
	}
	if use == "refresh" {
		return l.refresh, nil
	}
	return l.access, nil
}

func (d *doors) logIn(tenant string, user seed.User) (login, error) {
	name := user.Username
	if tenant != seed.DefaultTenant {
		name += "@" + tenant
	}
	body, _ := json.Marshal(map[string]string{"username": name, "password": user.Password})
	text := string(body)
	r := &Request{Method: "POST", Path: "/v1/auth/obtain", Headers: [][2]string{{"Content-Type", "application/json"}}, Body: &text}
	request, err := wireRequest(r, r.Path, d.addr, func(text string) (string, error) { return text, nil })
	if err != nil {
		return login{}, err
	}
	got, err := exchangeBytes(context.Background(), d.addr, r.Method, request)
	if err != nil {
		return login{}, err
	}
	var tokens struct{ Access, Refresh string }
	if err := json.Unmarshal(got.Body, &tokens); err != nil || got.Status != 200 || strings.Count(tokens.Access, ".") != 2 {
		return login{}, fmt.Errorf("log in as %s: %d %s", name, got.Status, got.Body)
	}
	return login{tokens.Access, tokens.Refresh, time.Now()}, nil
}
