package harness

import (
	"bytes"
	"fmt"
	"regexp"
	"sync"
	"testing"

	"joboutputs/shared/localaws"
	"joboutputs/test/report"
)

// Log takes the service's log, and looks in every line for what no log may hold. The zero
// value is an empty one.
type Log struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	lines  int
	found  []string // what secrets there were, and in which lines
}

// secrets are what a line must not hold. Tests call what they store, and what must not be
// seen, canary something.
var secrets = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"a token", regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8}`)}, // {" in base64: a JWT's header or claims
	{"an Authorization header", regexp.MustCompile(`(?i)\bbearer +[^ "\\]`)},
	{"a signature", regexp.MustCompile(`(?i)x-amz-(signature|credential|security-token)|AWS4-HMAC-SHA256`)},
	{"a key of AWS", regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b|` + regexp.QuoteMeta(localaws.SecretAccessKey))},
	{"a password", regexp.MustCompile(`(?i)"password`)},
	{"a stored text", regexp.MustCompile(`(?i)canary`)},
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		l.lines++
		for _, secret := range secrets {
			if secret.pattern.Match(line) {
				l.found = append(l.found, fmt.Sprintf("%s in %s", secret.name, line))
			}
		}
	}
	return l.buffer.Write(p)
}

// Take empties the log and returns what was in it.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buffer.String()
	l.buffer.Reset()
	return text
}

// Lines is how many lines were written so far.
func (l *Log) Lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

// Check holds that no line so far held a secret, also of those that were taken. A Rig does
// so when its test ends.
func (l *Log) Check(tb testing.TB) {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, found := range l.found[:min(len(l.found), 10)] {
		tb.Errorf("the log holds %.600s", found)
	}
	report.Begin(tb, "secrets", 0).Hold(
		"secrets in the log of "+tb.Name(), fmt.Sprintf("%d in %d lines", len(l.found), l.lines), "= 0", len(l.found) == 0)
}
