// Command bootstrap is the Lambda docs-limits.
package main

import (
	"joboutputs/functions/docs/limits"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/uploads"
)

func main() { api.Serve(limits.New(uploads.Limits(config.Uploads()))) }
