//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"joboutputs/infra/local/issuer"
)

// The run: an emulator, and the stack deployed to it twice. Tests share it and have
// tenants of their own.
var (
	emulator *ministack
	tokens   *issuer.Issuer // whose tokens the deployment own accepts
	own      *deployment    // -c issuer=…
	pool     *deployment    // with its own Cognito user pool
)

// within bounds a whole run.
const within = 15 * time.Minute

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()

	code, err := run(ctx, m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run sets everything up, runs the tests, and takes everything down again, whatever failed.
func run(ctx context.Context, m *testing.M) (code int, err error) {
	if runtime.GOOS != "linux" {
		return 1, fmt.Errorf("the emulator runs the functions' Linux binaries as processes: Linux is needed, and this is %s", runtime.GOOS)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "joboutputs-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	pair, err := newCertificate(dir)
	if err != nil {
		return 1, fmt.Errorf("make a certificate: %w", err)
	}
	// Read by this process and, handed on by the emulator, by the functions.
	os.Setenv("SSL_CERT_FILE", pair.cert)

	began := time.Now()
	step := func(what string) {
		fmt.Printf("%5.1fs  %s\n", time.Since(began).Seconds(), what)
	}
	keys, err := serveTLS(pair, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tokens.JWKS().ServeHTTP(w, r) }))
	if err != nil {
		return 1, err
	}
	defer keys.Close()
	if tokens, err = issuer.New(issuer.Config{Issuer: keys.URL, Access: time.Hour}); err != nil {
		return 1, err
	}

	step("start the emulator")
	if emulator, err = startMinistack(ctx, root, dir, pair); err != nil {
		return 1, err
	}
	defer emulator.stop()
	context.AfterFunc(ctx, emulator.stop) // a test that is under way then fails soon
	c := &cdk{root: root, dir: dir, emulator: emulator, certificate: pair.cert}
	step("cdk bootstrap")
	if err := c.bootstrap(ctx); err != nil {
		return 1, err
	}
	for _, d := range []struct {
		into **deployment
		name string
		args []string
	}{
		{&own, "e2e-own", []string{"-c", "issuer=" + keys.URL, "-c", "audience=joboutputs"}},
		{&pool, "e2e-pool", nil},
	} {
		step("cdk deploy " + d.name)
		deployed, err := c.deploy(ctx, d.name, d.args...)
		if err != nil {
			return 1, err
		}
		*d.into = deployed
		defer deployed.door.Close()
	}
	step("test")
	if code = m.Run(); code != 0 {
		emulator.tell()
	}
	if hosts := emulator.outside.Refused(); len(hosts) > 0 {
		err = fmt.Errorf("functions asked for hosts that are neither AWS nor the issuer: %q", hosts)
	}
	for _, d := range []*deployment{own, pool} {
		step("cdk destroy " + d.stack)
		if err := c.destroy(ctx, d); err != nil {
			return 1, err
		}
	}
	if err := c.nothingLeft(ctx); err != nil {
		return 1, err
	}
	step("done")
	return code, err
}
