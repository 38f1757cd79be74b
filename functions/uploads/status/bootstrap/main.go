// Command bootstrap is the Lambda uploads-status.
package main

import (
	"joboutputs/functions/uploads/status"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(status.New(outputs.Open(config.Storage())))
}
