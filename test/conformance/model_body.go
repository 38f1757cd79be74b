package conformance

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonBody reads the body of an action that takes JSON; nil = none was sent.
func (v *View) jsonBody() (any, *Want) {
	body := v.body
	if v.coded() {
		return nil, coded()
	}
	if len(body) == 0 {
		return nil, nil
	}
	if len(body) > maxBody {
		return nil, problem(413, "", "payload_too_large")
	}
	declared := v.x.Request.first("Content-Type")
	mediaType, params, err := mime.ParseMediaType(declared)
	if err != nil || mediaType != "application/json" {
		return nil, problem(415, fmt.Sprintf("Unsupported media type \"%s\" in request.", declared), "unsupported_media_type")
	}
	if charset := strings.ToLower(params["charset"]); charset == "latin-1" || charset == "iso-8859-1" {
		runes := []rune{}
		for _, c := range body {
			runes = append(runes, rune(c))
		}
		body = []byte(string(runes))
	}
	if depth(body) > maxDepth {
		return nil, problem(400, "", "invalid_json", "invalid_request", "invalid_filter")
	}
	if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		codes := []string{"invalid_json"}
		if utf8.Valid(body) && jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			codes = append(codes, "invalid_request", "invalid_filter") // half a surrogate pair
		}
		return nil, problem(400, "", codes...)
	}
	value, err := decodeJSON(body)
	if err != nil {
		return nil, problem(400, "", "invalid_json")
	}
	return value, nil
}

// coded reports whether the body has a content coding, which is refused wherever a body is
// read (deviation D25).
func (v *View) coded() bool {
	for coding := range strings.SplitSeq(strings.Join(v.x.Request.header("Content-Encoding"), ","), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return true
		}
	}
	return false
}

func coded() *Want { return problem(415, "", "unsupported_media_type") }

// depth is how deeply arrays and objects nest.
func depth(text []byte) int {
	now, most, inString, escaped := 0, 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = c == '\\', c != '"'
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
}

// object reads the body as the original's dict(): nothing, "", [] and arrays of pairs are
// objects too.
func (v *View) object() (map[string]any, *Want) {
	value, w := v.jsonBody()
	if w != nil {
		return nil, w
	}
	if value == nil && len(v.body) == 0 {
		return map[string]any{}, nil
	}
	refusal := problem(400, "", "invalid_request")
	if v.is("list") {
		refusal.Codes = append(refusal.Codes, "invalid_filter")
	}
	switch value := value.(type) {
	case map[string]any:
		return value, nil
	case string:
		if value == "" {
			return map[string]any{}, nil
		}
	case []any:
		o := map[string]any{}
		for _, pair := range value {
			var key, item any
			switch pair := pair.(type) {
			case []any:
				if len(pair) != 2 {
					return nil, refusal
				}
				key, item = pair[0], pair[1]
			case string:
				if utf8.RuneCountInString(pair) != 2 {
					return nil, refusal
				}
				runes := []rune(pair)
				key, item = string(runes[0]), string(runes[1])
			}
			name, ok := key.(string)
			if !ok {
				return nil, refusal
			}
			o[name] = item
		}
		return o, nil
	}
	return nil, refusal
}

func downloadOptions(body map[string]any) (filetype *string, refusal *Want) {
	refusal = problem(400, "", "invalid_request")
	if params, ok := body["params"]; ok {
		o, ok := params.(map[string]any)
		if !ok {
			return nil, refusal
		}
		for _, value := range o {
			texts, isArray := value.([]any)
			if !isArray {
				texts = []any{value}
			}
			for _, text := range texts {
				if _, ok := text.(string); !ok {
					return nil, refusal
				}
			}
		}
	}
	if value, ok := body["filetype"]; ok {
		text, ok := value.(string)
		if !ok || len(text) > maxFiletype {
			return nil, refusal
		}
		filetype = &text
	}
	return filetype, nil
}
