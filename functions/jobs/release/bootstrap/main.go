// Command bootstrap is the Lambda jobs-release.
package main

import (
	"joboutputs/functions/jobs/release"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	api.Serve(release.New(outputs.Open(config.Storage())))
}
