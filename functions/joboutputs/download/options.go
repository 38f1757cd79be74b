package download

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"joboutputs/shared/delivery"
	"joboutputs/shared/problem"
)

// maxFiletype is the length of the longest file extension a request may ask for, in bytes.
const maxFiletype = 255

// options are what the body of a download may say. Unknown names are ignored: UFDL's
// TypeScript client sends some.
type options struct {
	filetype *string // the extension of the file's name, in place of the output's type
	delivery delivery.Mode
	life     time.Duration // of a link; 0 = not said
}

// parseOptions reads the body, an object or nothing. "params" is checked and otherwise
// unused, as in UFDL.
func parseOptions(body []byte) (options, error) {
	var opts options
	if body == nil {
		return opts, nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(body, &members, jsontext.AllowDuplicateNames(true)); err != nil {
		return opts, problem.New(problem.InvalidRequest, "The body must be a JSON object.").Because(err)
	}
	if value, ok := members["params"]; ok && !isParams(value) {
		return opts, problem.New(problem.InvalidRequest, "params: must be an object whose values are strings or arrays of strings")
	}
	if value, ok := members["filetype"]; ok {
		text, ok := stringOf(value)
		switch {
		case !ok:
			return opts, problem.New(problem.InvalidRequest, "filetype: must be a string")
		case len(text) > maxFiletype:
			return opts, problem.New(problem.InvalidRequest, "filetype: must not be longer than %d bytes", maxFiletype)
		}
		opts.filetype = &text
	}
	if value, ok := members["delivery"]; ok {
		text, ok := stringOf(value)
		if !ok {
			return opts, problem.New(problem.InvalidRequest, "delivery: must be a string")
		}
		mode, err := delivery.ParseMode(text)
		if err != nil {
			return opts, err
		}
		opts.delivery = mode
	}
	if value, ok := members["expires_in"]; ok {
		life, err := delivery.ParseLife(string(value)) // a number as it is written: 60.0 and 6e1 are none
		if err != nil {
			return opts, err
		}
		opts.life = life
	}
	return opts, nil
}

func stringOf(value jsontext.Value) (string, bool) {
	var text string
	return text, value.Kind() == '"' && json.Unmarshal(value, &text) == nil
}

// isParams reports whether the value maps names to strings or arrays of strings.
func isParams(value jsontext.Value) bool {
	var params map[string]jsontext.Value
	if value.Kind() != '{' || json.Unmarshal(value, &params, jsontext.AllowDuplicateNames(true)) != nil {
		return false
	}
	for _, param := range params {
		var texts []jsontext.Value
		if param.Kind() == '[' {
			if json.Unmarshal(param, &texts) != nil {
				return false
			}
		} else {
			texts = []jsontext.Value{param}
		}
		for _, text := range texts {
			if text.Kind() != '"' {
				return false
			}
		}
	}
	return true
}
