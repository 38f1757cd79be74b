// Command bootstrap is the Lambda uploads-abort.
package main

import (
	"joboutputs/functions/uploads/abort"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/uploads"
)

func main() {
	api.Serve(abort.New(uploads.Open(config.Storage())))
}
