package openapicheck

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
)

// toJSON is a YAML document as JSON: members in their order, aliases written out.
func toJSON(document []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("read the YAML: %w", err)
	}
	var out bytes.Buffer
	if err := writeJSON(jsontext.NewEncoder(&out, jsontext.WithIndent("  ")), &root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeJSON(enc *jsontext.Encoder, node *yaml.Node) error {
	begin, end := jsontext.BeginObject, jsontext.EndObject
	switch node.Kind {
	case yaml.DocumentNode:
		return writeJSON(enc, node.Content[0])
	case yaml.AliasNode:
		return writeJSON(enc, node.Alias)
	case yaml.ScalarNode:
		return writeScalar(enc, node)
	case yaml.SequenceNode:
		begin, end = jsontext.BeginArray, jsontext.EndArray
	}
	if err := enc.WriteToken(begin); err != nil {
		return err
	}
	for _, child := range node.Content {
		if err := writeJSON(enc, child); err != nil {
			return err
		}
	}
	return enc.WriteToken(end)
}

func writeScalar(enc *jsontext.Encoder, node *yaml.Node) error {
	switch tag := node.ShortTag(); tag {
	case "!!str":
		return enc.WriteToken(jsontext.String(node.Value))
	case "!!null":
		return enc.WriteToken(jsontext.Null)
	case "!!bool", "!!int", "!!float":
		return enc.WriteValue(jsontext.Value(node.Value)) // refused unless JSON writes it alike
	default:
		return fmt.Errorf("line %d: %s has no place in JSON", node.Line, tag)
	}
}
