package conformance

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"joboutputs/infra/local/seed"
)

var recordings = flag.String("recordings", cmp.Or(os.Getenv("CONFORMANCE_RECORDINGS"), committed),
	"`folder` of recordings to replay (or $CONFORMANCE_RECORDINGS); one without a seed.json has the committed seed")

// ceilingFile holds how many answers to the committed recordings may be wrong: a number
// that only falls.
const ceilingFile = "testdata/wrong.max"

func TestConformance(t *testing.T) {
	all, err := ReadRecordings(*recordings)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(*recordings, "seed.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		file = filepath.Join(committed, "seed.json")
	}
	s, err := seed.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	results, err := Replay(t.Context(), newTarget(t), NewPlan(all, s), s)
	if err != nil {
		t.Error(err)
	}
	if len(results) != len(all) {
		t.Errorf("%d exchanges were judged, want %d", len(results), len(all))
	}
	wrong := Wrong(results)
	fmt.Printf("\n%s\n", Report(results))
	if len(wrong) > 0 {
		fmt.Printf("wrong:\n\n%s\n\n", strings.Join(wrong, "\n"))
	}

	ceiling := 0
	if filepath.Clean(*recordings) == committed {
		text, err := os.ReadFile(ceilingFile)
		if err != nil {
			t.Fatal(err)
		}
		if ceiling, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			t.Fatalf("%s: %v", ceilingFile, err)
		}
	}
	switch {
	case len(wrong) > ceiling:
		t.Errorf("%d answers are wrong, at most %d may be", len(wrong), ceiling)
	case len(wrong) < ceiling:
		t.Errorf("only %d answers are wrong: write that into %s, which says %d", len(wrong), ceilingFile, ceiling)
	}
}
