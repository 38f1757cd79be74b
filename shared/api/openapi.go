package api

import _ "embed"

//go:generate go test ../../test/openapicheck -run ^TestJSON$ -update

//go:embed openapi.json
var openAPI string

// OpenAPI is the description of the API (OpenAPI 3.1): openapi.yaml as JSON, made by go
// generate, so that no function needs a YAML parser. A function that does not ask for it
// does not carry it.
func OpenAPI() string { return openAPI }
