// Command bootstrap is the Lambda cleanup.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"joboutputs/functions/cleanup"
	"joboutputs/shared/api"
	domain "joboutputs/shared/cleanup"
	"joboutputs/shared/config"
	"joboutputs/shared/table"
)

func main() {
	lambda.Start(cleanup.New(domain.Open(config.Storage()), config.CleanupGrace(table.Grace), api.Logger()))
}
