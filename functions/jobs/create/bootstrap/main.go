// Command bootstrap is the Lambda jobs-create.
package main

import (
	"joboutputs/functions/jobs/create"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(create.New(jobs.Open(config.Storage())))
}
