package service_test

import (
	"os"
	"testing"

	"joboutputs/test/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// rig is the service under test, with what these tests ask of its stores.
type rig struct{ *harness.Rig }

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{harness.New(t)}
}

type (
	caller  = harness.Caller
	request = harness.Request
	answer  = harness.Answer
)
