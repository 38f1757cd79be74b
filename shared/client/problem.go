package client

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Problem is an answer that is no success: the API's RFC 9457 document, or what could be
// made of something else that stands in between. That the object store does not know an
// upload any more (code upload_lost) is one, too.
type Problem struct {
	Status    int                 `json:"status"`
	Title     string              `json:"title"`
	Detail    string              `json:"detail"`     // for people
	Code      string              `json:"code"`       // for programs, from the API's closed list; "" = not from the API
	RequestID string              `json:"request_id"` // to send along when asking for help
	Errors    map[string][]string `json:"errors"`     // by field (tokens)
	Limit     int64               `json:"limit"`      // that was passed, in bytes; 0 = not said

	// Of the output that has the name (code duplicate_output).
	PK           int64  `json:"pk"`
	SHA256       string `json:"sha256"`
	DeletionTime *Time  `json:"deletion_time"`

	RetryAfter time.Duration `json:"-"` // 0 = not said
	Call       string        `json:"-"` // what was refused: method and path
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%s (%d", p.Detail, p.Status)
	if p.Code != "" {
		text += " " + p.Code
	}
	return text + ")"
}

// HasCode reports whether err is a Problem of one of the codes.
func HasCode(err error, codes ...string) bool {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if p.Code == code {
			return true
		}
	}
	return false
}

// problemOf reads the answer's body and closes it.
func problemOf(response *http.Response, now time.Time) *Problem {
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Code == "" {
		p = &Problem{Detail: plain(body)}
	}
	p.Status = response.StatusCode
	if p.Detail == "" {
		p.Detail = "The server answered " + strings.TrimSpace(fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status))) + "."
	}
	p.RetryAfter = retryAfter(response.Header, now)
	return p
}

// plain is the start of a body that is no problem document, if it is a text for people.
func plain(body []byte) string {
	var gateway struct{ Message string } // API Gateway's own errors
	if json.Unmarshal(body, &gateway) == nil && gateway.Message != "" {
		return gateway.Message
	}
	text := strings.Join(strings.Fields(string(bytes.TrimSpace(body))), " ")
	if text == "" || strings.ContainsAny(text[:1], "<{[") || !utf8.ValidString(text) || len(text) > 200 {
		return ""
	}
	return text
}

// retryAfter is seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// VerificationError is bytes, or what was said of them, that are not what they should be.
type VerificationError struct {
	What      string // what was compared, such as "SHA-256"
	Got, Want string
}

func (e *VerificationError) Error() string {
	return fmt.Sprintf("verification failed: the %s is %s, not %s", e.What, e.Got, e.Want)
}

// StoreError is a refusal of the object store, to which links lead. It never repeats the
// link, which is a secret.
type StoreError struct {
	Status        int
	Code, Message string // S3's; "" = none
	RetryAfter    time.Duration
}

func (e *StoreError) Error() string {
	text := fmt.Sprintf("the object store answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// storeErrorOf reads the answer's body and closes it.
func storeErrorOf(response *http.Response, now time.Time) *StoreError {
	defer response.Body.Close()
	var document struct{ Code, Message string }
	_ = xml.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&document)
	return &StoreError{response.StatusCode, document.Code, document.Message, retryAfter(response.Header, now)}
}
