// Command bootstrap is the Lambda auth-refresh.
package main

import (
	"joboutputs/functions/auth/refresh"
	"joboutputs/shared/api"
	"joboutputs/shared/cognito"
	"joboutputs/shared/config"
)

func main() {
	api.Serve(refresh.New(cognito.Open(config.UserPool())))
}
