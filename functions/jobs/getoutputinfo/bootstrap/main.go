// Command bootstrap is the Lambda jobs-getoutputinfo.
package main

import (
	"joboutputs/functions/jobs/getoutputinfo"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(getoutputinfo.New(outputs.Open(config.Storage())))
}
