// Command bootstrap is the Lambda jobs-deleteoutput.
package main

import (
	"joboutputs/functions/jobs/deleteoutput"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(deleteoutput.New(outputs.Open(config.Storage())))
}
