// Command bootstrap is the Lambda jobs-addoutput.
package main

import (
	"joboutputs/functions/jobs/addoutput"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(addoutput.New(outputs.Open(config.Storage())))
}
