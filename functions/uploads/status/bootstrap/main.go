// Command bootstrap is the Lambda uploads-status.
package main

import (
	"joboutputs/functions/uploads/status"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/uploads"
)

func main() {
	api.Serve(status.New(uploads.Open(config.Storage())))
}
