// Package verify is POST /v1/auth/verify: whether a token, access or refresh, is good.
// Cognito's refresh tokens are opaque, so that nobody can tell; they are refused.
package verify

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/token/credentials"
)

type verifier interface {
	// Verify refuses with problem.TokenNotValid. It does not look at the user.
	Verify(ctx context.Context, raw string) error
}

// New makes the action.
func New(v verifier) http.Handler {
	return api.Handle(auth.AuthVerify, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		body, err := api.Body(r)
		if err != nil {
			return err
		}
		fields, err := credentials.Read(body, "token")
		if err != nil {
			return err
		}
		if err := v.Verify(r.Context(), fields["token"]); err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, struct{}{})
	})
}
