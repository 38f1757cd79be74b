// Command bootstrap is the Lambda auth-obtain.
package main

import (
	"joboutputs/functions/auth/obtain"
	"joboutputs/shared/api"
	"joboutputs/shared/cognito"
	"joboutputs/shared/config"
)

func main() {
	api.Serve(obtain.New(cognito.Open(config.UserPool())))
}
