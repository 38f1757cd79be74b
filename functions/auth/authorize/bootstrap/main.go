// Command bootstrap is the Lambda auth-authorize.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"joboutputs/functions/auth/authorize"
	"joboutputs/shared/config"
	"joboutputs/shared/token"
)

func main() {
	lambda.Start(authorize.New(token.Open(config.Tokens())))
}
