package main

import (
	"fmt"
	"os"
	"strings"
)

// resultsFile is the committed result of a real run.
const resultsFile = "test/bench/results.json"

// Between these lines README's section is ours.
const (
	begin = "<!-- bench: begin -->\n"
	end   = "<!-- bench: end -->\n"
)

// updateReadme writes the section of a README anew.
func updateReadme(readme, results string) error {
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	r, err := readResult(results)
	if err != nil {
		return err
	}
	updated, err := replaceSection(string(text), r.Markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return os.WriteFile(readme, []byte(updated), 0o644)
}

// replaceSection puts a section between its two lines.
func replaceSection(text, section string) (string, error) {
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("it has no %q before %q", begin, end)
	}
	return before + begin + section + end + after, nil
}
