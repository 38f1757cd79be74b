// Command bootstrap is the Lambda joboutputs-download.
package main

import (
	"joboutputs/functions/joboutputs/download"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	streaming := config.Streaming()
	api.ServeStreamed(streaming, download.New(outputs.Open(config.Storage()), streaming))
}
