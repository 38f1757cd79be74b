// Command bootstrap is the Lambda joboutputs-list.
package main

import (
	"joboutputs/functions/joboutputs/list"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	streaming := config.Streaming()
	api.ServeStreamed(streaming, list.New(outputs.Open(config.Storage()), streaming))
}
