// Package fuzz makes requests from the API's description, valid ones and such as are
// broken in one place or another. Its test sends them and holds every answer against the
// description.
package fuzz

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// maker makes values.
type maker struct {
	rnd   *rand.Rand
	known map[string][]any // by a member's or parameter's name, values that mean something to the service
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

// chance is true in one of n cases.
func (m *maker) chance(n int) bool { return m.rnd.IntN(n) == 0 }

// value makes one that a schema takes; name is the member's or parameter's that it is for.
func (m *maker) value(name string, ref *openapi3.SchemaRef) any {
	s := ref.Value
	switch known := m.known[name]; {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return pick(m.rnd, s.Enum)
	case len(known) > 0 && !m.chance(4):
		return pick(m.rnd, known)
	case len(s.OneOf) > 0:
		return m.value(name, pick(m.rnd, s.OneOf))
	case len(s.AnyOf) > 0: // mostly the first, which is the usual one
		return m.value(name, s.AnyOf[min(m.rnd.IntN(len(s.AnyOf)+3), len(s.AnyOf)-1)%len(s.AnyOf)])
	}
	kind := "string"
	if s.Type != nil && len(*s.Type) > 0 {
		kind = pick(m.rnd, *s.Type)
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return m.chance(2)
	case "integer":
		return m.integer(s)
	case "number":
		return m.rnd.NormFloat64() * 100
	case "array":
		return m.array(s)
	case "object":
		return m.object(s)
	}
	return m.text(s)
}

func (m *maker) integer(s *openapi3.Schema) int64 {
	low, high := int64(-1000), int64(1000)
	if s.Min != nil {
		low = int64(*s.Min)
		high = low + 1000
	}
	if s.Max != nil {
		high = int64(*s.Max)
	}
	if m.chance(3) {
		return pick(m.rnd, []int64{low, high})
	}
	return low + m.rnd.Int64N(min(high-low, 100)+1)
}

// alphabets are what texts are made of.
func alphabets() []string {
	return []string{"abcxyz019", " -_.,:;", "äß€漢🎉", "\x01\t\"\\'<>%", "İıſK"}
}

func (m *maker) text(s *openapi3.Schema) string {
	if s.Pattern != "" {
		return rapid.StringMatching(s.Pattern).Example(m.rnd.IntN(1 << 30))
	}
	letters := []rune(alphabets()[0])
	if m.chance(4) {
		letters = []rune(strings.Join(alphabets(), ""))
	}
	length := int(s.MinLength) + m.rnd.IntN(12)
	if s.MaxLength != nil {
		length = min(length, int(*s.MaxLength))
		if m.chance(30) {
			length = int(*s.MaxLength)
		}
	}
	text := make([]rune, length)
	for i := range text {
		text[i] = pick(m.rnd, letters)
	}
	return string(text)
}

func (m *maker) array(s *openapi3.Schema) []any {
	count := int(s.MinItems) + m.rnd.IntN(3)
	if s.MaxItems != nil {
		count = min(count, int(*s.MaxItems))
	}
	all := []any{}
	for range count {
		if s.Items == nil {
			all = append(all, m.chance(2))
		} else {
			all = append(all, m.value("", s.Items))
		}
	}
	return all
}

func (m *maker) object(s *openapi3.Schema) map[string]any {
	all := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if slices.Contains(s.Required, name) || m.chance(2) {
			all[name] = m.value(name, s.Properties[name])
		}
	}
	if more := s.AdditionalProperties.Schema; more != nil && m.chance(2) {
		all["more"] = m.value("more", more)
	}
	return all
}

// encode is a value as JSON.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only values made above are encoded
	}
	return text
}
