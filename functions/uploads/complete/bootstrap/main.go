// Command bootstrap is the Lambda uploads-complete.
package main

import (
	"joboutputs/functions/uploads/complete"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/uploads"
)

func main() {
	api.Serve(complete.New(uploads.Open(config.Storage())))
}
