// Command bootstrap is the Lambda jobs-finish.
package main

import (
	"joboutputs/functions/jobs/finish"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(finish.New(jobs.Open(config.Storage())))
}
