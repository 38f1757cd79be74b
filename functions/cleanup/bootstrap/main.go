// Command bootstrap is the Lambda cleanup.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"joboutputs/functions/cleanup"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	lambda.Start(cleanup.New(outputs.Open(config.Storage()), config.CleanupGrace(outputs.Grace), api.Logger()))
}
