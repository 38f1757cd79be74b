// Command bootstrap is the Lambda jobs-start.
package main

import (
	"joboutputs/functions/jobs/start"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(start.New(jobs.Open(config.Storage())))
}
