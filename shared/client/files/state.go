// Package files moves outputs between the service and files of this machine, so that a
// transfer that was killed goes on where it was. What there is to remember stands in a
// small file beside the one that is moved and is removed when it is done.
package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// readState reads what was remembered; false = nothing, or nothing of use.
func readState(path string, v any) bool {
	text, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(text, v) == nil
}

// writeState replaces what is remembered in one step, for the owner's eyes alone.
func writeState(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("remember the transfer: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("remember the transfer: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("remember the transfer: %w", err), remove(temporary))
	}
	return nil
}

// remove is for files that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
