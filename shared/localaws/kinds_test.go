package localaws

import (
	"fmt"
	"io"
	"slices"
	"testing"
)

// A file system without extended attributes needs a mount to test; this goes the way
// Start goes once the gateway has failed on one.
func TestS3WithoutExtendedAttributes(t *testing.T) {
	tools, err := FindTools(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	_, _, gateway, err := tools.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dataDir := t.TempDir()
	s, err := newS3(gateway, dataDir)
	if err != nil {
		t.Fatal(err)
	}
	s.log = io.Discard
	if s.other(errEnded) {
		t.Error("a lost port is taken for a lack of attributes")
	}
	if !s.other(fmt.Errorf("probe: %w", errUnfit)) {
		t.Fatal("there is no other way to keep attributes")
	}
	if s.other(errUnfit) {
		t.Error("there is a third way")
	}
	// The start puts an object with metadata and reads it.
	t.Cleanup(s.stop)
	if err := s.startAnywhere(t.Context()); err != nil {
		t.Fatal(err)
	}

	again, err := newS3(gateway, dataDir)
	if err != nil {
		t.Fatal(err)
	}
	if args := again.command(1); !slices.Contains(args, "--sidecar") {
		t.Errorf("the next run of this data keeps attributes elsewhere: %v", args)
	}
}
