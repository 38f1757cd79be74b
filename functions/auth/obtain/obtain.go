// Package obtain is POST /v1/auth/obtain: tokens for a username and a password.
package obtain

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/token"
	"joboutputs/shared/token/credentials"
)

type issuer interface {
	// Obtain answers wrong, unknown and inactive alike: problem.NotAuthenticated.
	Obtain(ctx context.Context, username, password string) (token.Pair, error)
}

// New makes the action.
func New(i issuer) http.Handler {
	return api.Handle(auth.AuthObtain, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		body, err := api.Body(r)
		if err != nil {
			return err
		}
		fields, err := credentials.Read(body, "username", "password")
		if err != nil {
			return err
		}
		pair, err := i.Obtain(r.Context(), fields["username"], fields["password"])
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, pair)
	})
}
