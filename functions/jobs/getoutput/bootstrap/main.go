// Command bootstrap is the Lambda jobs-getoutput.
package main

import (
	"joboutputs/functions/jobs/getoutput"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	streaming := config.Streaming()
	api.ServeStreamed(streaming, getoutput.New(outputs.Open(config.Storage()), streaming))
}
