// Command bootstrap is the Lambda sweep.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"joboutputs/functions/sweep"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/outputs"
)

func main() {
	lambda.Start(sweep.New(outputs.Open(config.Storage()), config.SweepGrace(outputs.Grace), api.Logger()))
}
