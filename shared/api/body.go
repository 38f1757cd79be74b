package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/problem"
)

// Limits of a JSON body; the original has none (difference D15 in README.md).
const (
	MaxBody  = 256 << 10 // bytes
	MaxDepth = 16        // nested arrays and objects
)

// MaxContent is the largest content that a request can carry, in bytes: a Lambda's 6 MB of
// event, of which base64 takes a quarter and the headers a little.
const MaxContent = 4_400_000

// Body reads a JSON body: its text, well-formed, or nil if none was sent. It must be
// declared as JSON (415 otherwise; an empty one needs no type), have no content coding (415),
// be at most MaxBody bytes (413) and MaxDepth deep (400). Malformed text is a 400 with line
// and column. Names may repeat: the last counts, as UFDL has it.
func Body(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if len(body) > MaxBody {
		return nil, problem.New(problem.PayloadTooLarge, "The body is over %d bytes.", MaxBody)
	}
	if len(body) == 0 {
		return nil, nil
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || mediaType != "application/json" {
		return nil, problem.New(problem.UnsupportedMediaType, "Unsupported media type \"%s\" in request.", r.Header.Get("Content-Type"))
	}
	switch strings.ToLower(params["charset"]) {
	case "latin-1", "latin1", "iso-8859-1", "l1":
		body = fromLatin1(body)
	}
	if err := wellFormed(body); err != nil {
		return nil, err
	}
	return body, nil
}

// refuseCoded makes a body that has a content coding unreadable: whichever action reads it
// gets UnsupportedMediaType. API Gateway decodes gzip and deflate and, by its documentation,
// leaves the header, so what such a body holds cannot be known here (infra/AWS.md).
func refuseCoded(r *http.Request) {
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Content-Encoding"), ","), ",") {
		coding = strings.TrimSpace(coding)
		if coding != "" && !strings.EqualFold(coding, "identity") {
			r.Body = codedBody{problem.New(problem.UnsupportedMediaType, "Content-Encoding: the body must be sent without a content coding, not in \"%s\".", coding)}
			return
		}
	}
}

// codedBody is a body that is not read.
type codedBody struct{ why *problem.Problem }

func (b codedBody) Read([]byte) (int, error) { return 0, b.why }
func (b codedBody) Close() error             { return nil }

// fromLatin1 turns ISO-8859-1, which RFC 8259 does not allow but UFDL reads, into UTF-8.
func fromLatin1(b []byte) []byte {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return []byte(string(runes))
}

func wellFormed(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	for values := 0; ; {
		offset := dec.InputOffset()
		_, err := dec.ReadToken()
		if errors.Is(err, io.EOF) && values == 1 {
			return nil
		}
		if err != nil {
			return malformed(body, err)
		}
		if values == 1 {
			return problem.New(problem.InvalidJSON, "JSON parse error at %s: text after the value", position(body, offset))
		}
		if dec.StackDepth() > MaxDepth {
			return problem.New(problem.InvalidJSON, "The body is nested more than %d deep.", MaxDepth)
		}
		if dec.StackDepth() == 0 {
			values++
		}
	}
}

// malformed says where the text stops being JSON.
func malformed(body []byte, err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return problem.New(problem.InvalidJSON, "JSON parse error at %s: %v", position(body, syntactic.ByteOffset), syntactic.Err)
	}
	return problem.New(problem.InvalidJSON, "JSON parse error at %s: unexpected end", position(body, int64(len(body))))
}

// position is a byte offset as a person counts: lines and columns (in characters) from 1.
func position(body []byte, offset int64) string {
	before := body[:max(0, min(offset, int64(len(body))))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}
