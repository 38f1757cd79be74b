package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
)

// MaxPage is the largest page of a list.
const MaxPage = 1000

// Spec says which outputs to list, in which order. The zero value is all active outputs
// of the tenant, oldest first.
type Spec struct {
	Expressions     []Expression `json:"expressions,omitempty"` // all must hold
	OrderBy         []OrderBy    `json:"order_by,omitempty"`
	IncludeInactive bool         `json:"include_inactive,omitempty"` // soft-deleted ones too
	Limit           int          `json:"limit,omitempty"`            // outputs in a page, up to MaxPage; 0 = MaxPage
	Cursor          string       `json:"cursor,omitempty"`           // of the page before; "" = the first page
}

// Expression is a term of the filter language, as the API's document describes it.
type Expression struct {
	Type            string       `json:"type"`
	Field           string       `json:"field,omitempty"`
	Value           any          `json:"value,omitempty"`
	SubString       string       `json:"sub_string,omitempty"`
	Operator        string       `json:"operator,omitempty"`
	CaseInsensitive bool         `json:"case_insensitive,omitempty"`
	SubExpressions  []Expression `json:"sub_expressions,omitempty"`
	Invert          bool         `json:"invert,omitempty"`
}

// OrderBy is a key of the order.
type OrderBy struct {
	Field     string `json:"field"`
	Ascending bool   `json:"ascending"`
}

// Exact: the field equals the value, a string, an integer or a bool.
func Exact(field string, value any) Expression {
	return Expression{Type: "exact", Field: field, Value: value}
}

// Contains: the field's text holds the sub-string, which is not empty.
func Contains(field, sub string) Expression {
	return Expression{Type: "contains", Field: field, SubString: sub}
}

// Compare: the field is before or after the value. The operator is <, <=, > or >=.
func Compare(field, operator string, value any) Expression {
	return Expression{Type: "compare", Field: field, Operator: operator, Value: value}
}

// IsNull: the field is null.
func IsNull(field string) Expression { return Expression{Type: "is_null", Field: field} }

// Not is the opposite of e.
func Not(e Expression) Expression { e.Invert = !e.Invert; return e }

// Or: at least one of two or more holds.
func Or(es ...Expression) Expression { return Expression{Type: "or", SubExpressions: es} }

// And: all of two or more hold.
func And(es ...Expression) Expression { return Expression{Type: "and", SubExpressions: es} }

// Page is a part of a list.
type Page struct {
	Outputs []Output
	Next    string // the cursor of the next page; "" = this is the last
}

// ListPage is one page of a list.
func (c *Client) ListPage(ctx context.Context, s Spec) (Page, error) {
	if s.Limit == 0 {
		s.Limit = MaxPage
	}
	return c.page(ctx, s)
}

// List is the whole list, page by page as it is read. After an error there is no more.
// Pages are not a snapshot.
func (c *Client) List(ctx context.Context, s Spec) iter.Seq2[Output, error] {
	return c.pages(func(cursor string) (Page, error) {
		if cursor != "" {
			s.Cursor = cursor
		}
		return c.ListPage(ctx, s)
	})
}

// ListRaw is List for a specification as JSON, an object in the filter language. Without
// a limit in it, pages are as large as can be.
func (c *Client) ListRaw(ctx context.Context, spec []byte) iter.Seq2[Output, error] {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(spec, &members); err != nil {
		err = fmt.Errorf("the specification is not a JSON object: %w", err)
		return func(yield func(Output, error) bool) { yield(Output{}, err) }
	}
	if members == nil {
		members = map[string]json.RawMessage{}
	}
	if limit := string(members["limit"]); limit == "" || limit == "null" {
		members["limit"] = json.RawMessage(fmt.Sprint(MaxPage))
	}
	return c.pages(func(cursor string) (Page, error) {
		if cursor != "" {
			members["cursor"], _ = json.Marshal(cursor) // a string
		}
		return c.page(ctx, members)
	})
}

func (c *Client) pages(page func(cursor string) (Page, error)) iter.Seq2[Output, error] {
	return func(yield func(Output, error) bool) {
		for cursor := ""; ; {
			p, err := page(cursor)
			if err != nil {
				yield(Output{}, err)
				return
			}
			for _, o := range p.Outputs {
				if !yield(o, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			cursor = p.Next
		}
	}
}

// page makes the call until its answer comes whole: a list that breaks off is no JSON.
func (c *Client) page(ctx context.Context, spec any) (Page, error) {
	k := call{method: http.MethodPost, path: "/v1/job-outputs/list"}.withJSON(spec)
	for attempt := 0; ; attempt++ {
		response, err := c.do(ctx, k)
		if err != nil {
			return Page{}, err
		}
		p := Page{Next: response.Header.Get("X-Next-Cursor")}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil {
			if err = json.Unmarshal(body, &p.Outputs); err == nil {
				return p, nil
			}
			if strings.HasSuffix(string(body), "]") { // whole, and not what we know
				return Page{}, fmt.Errorf("list: the answer is not what this client knows: %w", err)
			}
			err = io.ErrUnexpectedEOF
		}
		if stop := c.pause(ctx, attempt, err); stop != nil {
			return Page{}, c.named(ctx, k, stop)
		}
	}
}
