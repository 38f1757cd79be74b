// Command bootstrap is the Lambda joboutputs-harddelete.
package main

import (
	"joboutputs/functions/joboutputs/harddelete"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(harddelete.New(outputs.Open(config.Storage())))
}
