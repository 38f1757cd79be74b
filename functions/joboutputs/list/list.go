// Package list is POST /v1/job-outputs/list: the outputs a specification asks for, in
// its order, as a JSON array. With a limit it is a page, whose successor's cursor is in
// X-Next-Cursor; without one the whole answer streams.
package list

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
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

// New makes the action. streaming says whether an answer may exceed a buffered Lambda's.
func New(s store, streaming bool) http.Handler {
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
		return write(w, listing, streaming)
	})
}

// write sends the array. Its closing bracket comes only after the last row, so that an
// answer cut short by a problem is not JSON and can't be taken for the whole.
func write(w http.ResponseWriter, listing *outputs.Listing, streaming bool) error {
	buffer := append(make([]byte, 0, usual), '[')
	rows := 0
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
		switch {
		case streaming && len(buffer) >= flushAt:
			if _, err := w.Write(buffer); err != nil {
				return err
			}
			buffer = buffer[:0]
		case !streaming && len(buffer) > maxBuffered:
			return problem.New(problem.ResultTooLarge, "The result is over %d bytes: use limit and cursor, or narrower filters.", maxBuffered)
		}
	}
	_, err := w.Write(append(buffer, ']'))
	return err
}

func appendJSON(buffer []byte, o *outputs.Output) ([]byte, error) {
	row, err := json.Marshal(o)
	return append(buffer, row...), err
}
