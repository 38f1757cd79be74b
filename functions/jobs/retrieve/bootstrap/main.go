// Command bootstrap is the Lambda jobs-retrieve.
package main

import (
	"joboutputs/functions/jobs/retrieve"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(retrieve.New(jobs.Open(config.Storage())))
}
