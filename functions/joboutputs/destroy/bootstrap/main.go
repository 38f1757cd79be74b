// Command bootstrap is the Lambda joboutputs-destroy.
package main

import (
	"joboutputs/functions/joboutputs/destroy"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(destroy.New(outputs.Open(config.Storage())))
}
