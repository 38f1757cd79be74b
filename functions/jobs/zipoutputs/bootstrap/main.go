// Command bootstrap is the Lambda jobs-zipoutputs.
package main

import (
	"joboutputs/functions/jobs/zipoutputs"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	streaming := config.Streaming()
	api.ServeStreamed(streaming, zipoutputs.New(outputs.Open(config.Storage()), streaming))
}
