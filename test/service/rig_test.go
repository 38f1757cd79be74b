package service_test

import (
	"os"
	"testing"

	"joboutputs/test/harness/servicetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// rig is the service under test, with what these tests ask of its stores.
type rig struct{ *servicetest.Rig }

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{servicetest.New(t)}
}

type (
	caller  = servicetest.Caller
	request = servicetest.Request
	answer  = servicetest.Answer
)
