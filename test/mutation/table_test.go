package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTable: every mutant's place is found once, and there are enough of them. That they
// are killed takes minutes, and is `make mutants`.
func TestTable(t *testing.T) {
	all := mutants()
	if len(all) < 20 {
		t.Errorf("%d mutants, want at least 20", len(all))
	}
	names := map[string]bool{}
	for _, m := range all {
		if names[m.name] {
			t.Errorf("%s: there are two of it", m.name)
		}
		names[m.name] = true
		whole, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if broken, err := m.apply(string(whole)); err != nil || broken == string(whole) {
			t.Errorf("%s: %s: %v", m.name, m.file, err)
		}
	}
}
