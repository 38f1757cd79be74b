// Command bootstrap is the Lambda joboutputs-reinstate.
package main

import (
	"joboutputs/functions/joboutputs/reinstate"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(reinstate.New(outputs.Open(config.Storage())))
}
