// Command bootstrap is the Lambda auth-verify.
package main

import (
	"joboutputs/functions/auth/verify"
	"joboutputs/shared/api"
	"joboutputs/shared/config"
	"joboutputs/shared/token"
)

func main() {
	api.Serve(verify.New(token.Open(config.Tokens())))
}
