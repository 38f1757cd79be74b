// Command bootstrap is the Lambda jobs-release.
package main

import (
	"joboutputs/functions/jobs/release"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/jobs"
)

func main() {
	api.Serve(release.New(jobs.Open(config.Storage())))
}
