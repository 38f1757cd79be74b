// Package refresh is POST /v1/auth/refresh: the next access token for a refresh token.
package refresh

import (
	"context"
	"net/http"

	"joboutputs/shared/api"
	"joboutputs/shared/auth"
	"joboutputs/shared/token/credentials"
)

type issuer interface {
	// Refresh looks at the user: a token of one who may no longer log in is
	// problem.TokenNotValid, as is every token that is not a refresh token of this issuer.
	Refresh(ctx context.Context, refresh string) (access string, err error)
}

// New makes the action.
func New(i issuer) http.Handler {
	return api.Handle(auth.AuthRefresh, func(w http.ResponseWriter, r *http.Request, _ auth.Principal) error {
		body, err := api.Body(r)
		if err != nil {
			return err
		}
		fields, err := credentials.Read(body, "refresh")
		if err != nil {
			return err
		}
		access, err := i.Refresh(r.Context(), fields["refresh"])
		if err != nil {
			return err
		}
		return api.JSON(w, http.StatusOK, struct {
			Access string `json:"access"`
		}{access})
	})
}
