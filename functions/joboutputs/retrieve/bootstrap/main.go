// Command bootstrap is the Lambda joboutputs-retrieve.
package main

import (
	"joboutputs/functions/joboutputs/retrieve"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(retrieve.New(outputs.Open(config.Storage())))
}
