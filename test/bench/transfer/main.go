// Command transfer is `make bench-transfer`: it measures what the command joboutputs moves,
// against the AWS CLI and against bare calls of the AWS SDK, on this machine's local stores
// and in one run, so that only ratios of its figures mean anything elsewhere.
//
//   - a large file by add and get, alternating with aws s3 cp
//   - the same killed with SIGKILL at half and given again: which parts were sent twice
//   - many small files by add, alternating with the calls that an add makes; then their zip
//
// It prints Markdown and writes the same as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

type options struct {
	size     int64
	rounds   int
	files    int
	fileSize int64
	parallel int
	bin      string // directory of the built programs local and joboutputs
	aws      string // the AWS CLI
	out      string
}

func main() {
	var o options
	flag.Int64Var(&o.size, "size", 2<<30, "`bytes` of the large file")
	flag.IntVar(&o.rounds, "rounds", 3, "`times` that each is measured")
	flag.IntVar(&o.files, "files", 1000, "`number` of small files")
	flag.Int64Var(&o.fileSize, "file-size", 10_000, "`bytes` of a small file")
	flag.IntVar(&o.parallel, "parallel", 8, "small `files` under way at once")
	flag.StringVar(&o.bin, "bin", "build", "`directory` of the programs local and joboutputs")
	flag.StringVar(&o.aws, "aws", "aws", "the AWS CLI")
	flag.StringVar(&o.out, "o", "build/bench-transfer.json", "`file` for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench-transfer:", err)
		os.Exit(1)
	}
}

// row is one result. Met is whether it is what was aimed at.
type row struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Aim    string  `json:"aim,omitempty"`
	Met    bool    `json:"met"`
	Detail string  `json:"detail,omitempty"`
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "bench-transfer-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := enoughRoom(dir, 6*o.size); err != nil {
		return err
	}
	b := &bench{options: o, dir: dir}
	if err := b.start(ctx); err != nil {
		return err
	}
	defer b.stop()
	for _, part := range []func(context.Context) error{b.small, b.large, b.killed, b.memory} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

func (b *bench) add(what string, value float64, unit, aim string, met bool, detail string) {
	r := row{what, value, unit, aim, met, detail}
	b.rows = append(b.rows, r)
	fmt.Fprintf(os.Stderr, "%s: %.4g %s %s\n", r.What, r.Value, r.Unit, r.Detail)
}

func (b *bench) report() error {
	fmt.Printf("A file of %.2f GB, %d rounds; %d files of %.0f kB. Medians.\n\n| | | aim | | |\n|---|---|---|---|---|\n", float64(b.size)/1e9, b.rounds, b.files, float64(b.fileSize)/1e3)
	for _, r := range b.rows {
		met := "yes"
		switch {
		case r.Aim == "":
			met = ""
		case !r.Met:
			met = "**no**"
		}
		fmt.Printf("| %s | %.4g %s | %s | %s | %s |\n", r.What, r.Value, r.Unit, r.Aim, met, r.Detail)
	}
	text, err := json.MarshalIndent(struct {
		At       time.Time `json:"at"`
		Size     int64     `json:"size"`
		Rounds   int       `json:"rounds"`
		Files    int       `json:"files"`
		FileSize int64     `json:"file_size"`
		Rows     []row     `json:"rows"`
	}{time.Now().UTC().Truncate(time.Second), b.size, b.rounds, b.files, b.fileSize, b.rows}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.out, append(text, '\n'), 0o644)
}

// enoughRoom holds that the disk takes it: source, objects of both, and what is got.
func enoughRoom(dir string, want int64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return err
	}
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < want {
		return fmt.Errorf("%s has %.1f GB left, and %.1f are needed: give a smaller SIZE, or another TMPDIR", dir, float64(free)/1e9, float64(want)/1e9)
	}
	return nil
}
