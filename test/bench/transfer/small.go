package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"joboutputs/shared/localaws"
	"joboutputs/shared/table"
)

// small compares the adding of many small files with the bare calls that adding them
// takes, and gets the zip of what was added.
func (b *bench) small(ctx context.Context) error {
	dir := filepath.Join(b.dir, "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	contents := map[string][]byte{}
	random := rand.NewChaCha8([32]byte{2})
	for i := range b.files {
		content := make([]byte, b.fileSize)
		_, _ = random.Read(content) // never fails
		name := fmt.Sprintf("output-%d.bin", i)
		contents[name] = content
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	bare, err := newBare(ctx, b.stores)
	if err != nil {
		return err
	}
	add := func(int) (time.Duration, error) {
		if err := b.newJob(ctx); err != nil {
			return 0, err
		}
		return b.joboutputs(ctx, "add", "--quiet", dir, "--job", fmt.Sprint(b.job), "--parallel", fmt.Sprint(b.parallel))
	}
	call := func(round int) (time.Duration, error) { return bare.addAll(ctx, round, contents, b.parallel) }
	for _, warm := range []func(int) (time.Duration, error){call, add} { // DynamoDB Local is slow until it is warm
		if _, err := warm(b.rounds); err != nil {
			return err
		}
	}
	ours, theirs, err := b.alternate(add, call)
	if err != nil {
		return err
	}
	rate := func(all []time.Duration) float64 { return float64(b.files) / median(all).Seconds() }
	ratio := rate(ours) / rate(theirs)
	b.add("add of the small files: rate against the bare calls of an add", ratio, "", "≥ 0.7", ratio >= 0.7,
		fmt.Sprintf("%.0f and %.0f a second; %s and %s", rate(ours), rate(theirs), list(ours), list(theirs)))

	at := filepath.Join(b.dir, "small.zip")
	took, err := b.joboutputs(ctx, "zip", fmt.Sprint(b.job), "-o", at)
	if err != nil {
		return err
	}
	equal, err := equalEntries(at, contents)
	if err != nil {
		return err
	}
	b.add("entries of the zip that compare equal", float64(equal), "", fmt.Sprintf("= %d", b.files), equal == b.files, fmt.Sprintf("%.2f s", took.Seconds()))
	return errors.Join(os.Remove(at), os.RemoveAll(dir))
}

// equalEntries counts the files of a zip that have their content.
func equalEntries(path string, want map[string][]byte) (int, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return 0, err
	}
	defer z.Close()
	equal := 0
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			return 0, err
		}
		got, err := io.ReadAll(content)
		if err != nil {
			return 0, err
		}
		if expected, ok := want[f.Name]; ok && bytes.Equal(got, expected) {
			equal++
		}
	}
	return equal, nil
}

// newBare makes a table and a bucket like the service's, with a job in it.
func newBare(ctx context.Context, stores *localaws.Servers) (*bare, error) {
	b := &bare{db: localaws.DynamoDB(stores.DynamoDBEndpoint), s3: localaws.S3(stores.S3Endpoint), table: "bare", bucket: "bare"}
	err := localaws.CreateTable(ctx, b.db, b.table, table.Schema)
	if err == nil {
		err = localaws.CreateBucket(ctx, b.s3, b.bucket)
	}
	return b, err
}
