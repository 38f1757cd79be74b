// Package list is POST /v1/job-outputs/list: the outputs a specification asks for, in
// its order, as a JSON array. With a limit it is a page, whose successor's cursor is in
// X-Next-Cursor; without one the whole response streams, up to delivery.MaxStreamed bytes.
package list

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/delivery"
	"joboutputs/shared/filter"
	"joboutputs/shared/outputs"
	"joboutputs/shared/problem"
)

type store interface {
	List(ctx context.Context, tenant string, spec *filter.Spec) (*outputs.Listing, error)
}

const (
	flushAt = 64 << 10 // bytes gathered before they are sent
	usual   = 20 << 10 // bytes of a page of 50

	// maxBuffered is the largest response where nothing streams.
	maxBuffered = api.MaxResponse
)

// New makes the action. streaming says whether a response may exceed a buffered Lambda's.
func New(s store, streaming bool) http.Handler {
	if streaming {
		return handler(s, sizes{flushAt, delivery.MaxStreamed})
	}
	return handler(s, sizes{maxBuffered, maxBuffered})
}

// sizes of a response, in bytes.
type sizes struct {
	flushAt int // gathered before they are sent
	most    int // of all
}

func handler(s store, limit sizes) http.Handler {
	return api.Handle(auth.OutputsList, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		body, err := api.Object(r)
		if err != nil {
			return err
		}
		spec, err := filter.Parse(body)
		if err != nil {
			return err
		}
		listing, err := s.List(r.Context(), p.Tenant, spec)
		if err != nil {
			return err
		}
		api.JSONHeader(w)
		if listing.Next != "" {
			w.Header().Set("X-Next-Cursor", listing.Next)
		}
		return write(w, listing, limit)
	})
}

// write sends the array. Its closing bracket comes only after the last row, so that a
// response cut short by a problem is not JSON and can't be taken for the whole. Lambda
// itself would cut one that is too large, without a word; the problem ResultTooLarge says
// so: to the caller if nothing was sent yet, and in the log.
func write(w http.ResponseWriter, listing *outputs.Listing, limit sizes) error {
	buffer := append(make([]byte, 0, usual), '[')
	rows, sent := 0, 0
	for o, err := range listing.Rows {
		if err != nil {
			return err
		}
		if rows++; rows > 1 {
			buffer = append(buffer, ',')
		}
		if buffer, err = appendJSON(buffer, &o); err != nil {
			return fmt.Errorf("encode output %d: %w", o.PK, err)
		}
		if sent+len(buffer)+len("]") > limit.most {
			return problem.New(problem.ResultTooLarge, "The result is over %d bytes: use limit and cursor, or narrower filters.", limit.most)
		}
		if len(buffer) >= limit.flushAt {
			n, err := w.Write(buffer)
			if err != nil {
				return err
			}
			sent += n
			buffer = buffer[:0]
		}
	}
	_, err := w.Write(append(buffer, ']'))
	return err
}

func appendJSON(buffer []byte, o *outputs.Output) ([]byte, error) {
	row, err := json.Marshal(o)
	return append(buffer, row...), err
}
