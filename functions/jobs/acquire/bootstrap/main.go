// Command bootstrap is the Lambda jobs-acquire.
package main

import (
	"joboutputs/functions/jobs/acquire"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(acquire.New(jobs.Open(config.Storage())))
}
