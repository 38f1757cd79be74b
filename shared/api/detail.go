package api

import (
	"net/http"

	"joboutputs/shared/auth"
)

// Detail makes an action on what the path names: the path parameter pk is read, call is
// made, and what it returns is answered as JSON with 200.
func Detail[T any](action auth.Action, call func(r *http.Request, p auth.Principal, pk int64) (T, error)) http.Handler {
	return Handle(action, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := PK(r, "pk")
		if err != nil {
			return err
		}
		v, err := call(r, p, pk)
		if err != nil {
			return err
		}
		return JSON(w, http.StatusOK, &v)
	})
}

// Change is Detail for an action that writes. call also gets the caller's idempotency key,
// "" = none, and reports whether its result is an earlier call's.
func Change[T any](action auth.Action, call func(r *http.Request, p auth.Principal, pk int64, key string) (v T, replayed bool, err error)) http.Handler {
	return Handle(action, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		pk, err := PK(r, "pk")
		if err != nil {
			return err
		}
		key, err := IdempotencyKey(r)
		if err != nil {
			return err
		}
		v, replayed, err := call(r, p, pk, key)
		if err != nil {
			return err
		}
		Replayed(w, replayed)
		return JSON(w, http.StatusOK, &v)
	})
}
