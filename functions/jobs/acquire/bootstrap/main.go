// Command bootstrap is the Lambda jobs-acquire.
package main

import (
	"joboutputs/functions/jobs/acquire"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(acquire.New(outputs.Open(config.Storage())))
}
