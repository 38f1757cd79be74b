// Command bootstrap is the Lambda uploads-begin.
package main

import (
	"joboutputs/functions/uploads/begin"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/uploads"
)

func main() {
	api.Serve(begin.New(uploads.Open(config.Storage())))
}
