// Command bootstrap is the Lambda docs-openapi.
package main

import (
	"joboutputs/functions/docs/openapi"
	"joboutputs/shared/api"
)

func main() { api.Serve(openapi.New()) }
