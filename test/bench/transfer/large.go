package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"joboutputs/shared/client"
	"joboutputs/shared/localaws"
)

func (b *bench) source() string { return filepath.Join(b.dir, "large.bin") }

// makeSource writes random bytes.
func (b *bench) makeSource() error {
	f, err := os.Create(b.source())
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), b.size)
	return errors.Join(err, f.Close())
}

// large compares add and get of one large file with aws s3 cp, which sends and gets parts
// of 8 MB, 10 at once, when nothing is configured.
func (b *bench) large(ctx context.Context) error {
	if err := b.makeSource(); err != nil {
		return err
	}
	if err := b.newJob(ctx); err != nil {
		return err
	}
	const bucket = "aws-cli"
	if err := localaws.CreateBucket(ctx, localaws.S3(b.stores.S3Endpoint), bucket); err != nil {
		return err
	}
	object, back := "s3://"+bucket+"/large.bin", filepath.Join(b.dir, "back.bin")
	name := func(round int) string { return fmt.Sprintf("large%d", round) }
	ours, theirs, err := b.alternate(
		func(round int) (time.Duration, error) {
			if round > 0 { // the last one is kept for get
				if _, err := b.joboutputs(ctx, "purge", "--yes", fmt.Sprintf("%d/%s/bin", b.job, name(round-1))); err != nil {
					return 0, err
				}
			}
			return b.joboutputs(ctx, "add", b.source(), "--job", fmt.Sprint(b.job), "--name", name(round))
		},
		func(int) (time.Duration, error) {
			return b.awsCLI(ctx, "s3", "cp", "--only-show-errors", b.source(), object)
		},
	)
	if err != nil {
		return err
	}
	b.compare("add", ours, theirs)
	ours, theirs, err = b.alternate(
		func(int) (time.Duration, error) {
			d, err := b.joboutputs(ctx, "get", fmt.Sprintf("%d/%s/bin", b.job, name(b.rounds-1)), "-o", back)
			return d, errors.Join(err, b.same(back), os.Remove(back))
		},
		func(int) (time.Duration, error) {
			d, err := b.awsCLI(ctx, "s3", "cp", "--only-show-errors", object, back)
			return d, errors.Join(err, b.same(back), os.Remove(back))
		},
	)
	if err != nil {
		return err
	}
	b.compare("get", ours, theirs)
	_, err = b.joboutputs(ctx, "purge", "--yes", fmt.Sprintf("%d/%s/bin", b.job, name(b.rounds-1)))
	if err == nil {
		_, err = b.awsCLI(ctx, "s3", "rm", "--only-show-errors", object)
	}
	return err
}

func (b *bench) compare(what string, ours, theirs []time.Duration) {
	rate := func(all []time.Duration) float64 { return float64(b.size) / 1e6 / median(all).Seconds() }
	ratio := rate(ours) / rate(theirs)
	b.add(what+" of the large file: rate against aws s3 cp", ratio, "", "≥ 0.9", ratio >= 0.9,
		fmt.Sprintf("%.0f and %.0f MB/s; %s and %s", rate(ours), rate(theirs), list(ours), list(theirs)))
}

// awsCLI runs the AWS CLI as it is without a configuration.
func (b *bench) awsCLI(ctx context.Context, args ...string) (time.Duration, error) {
	c := exec.CommandContext(ctx, b.aws, append([]string{"--endpoint-url", b.stores.S3Endpoint}, args...)...)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+localaws.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+localaws.SecretAccessKey, "AWS_DEFAULT_REGION="+localaws.Region,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	began := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("aws %v: %w\n%s", args, err, out)
	}
	return time.Since(began), nil
}

// same holds that a file is the source.
func (b *bench) same(path string) error {
	want, err := hashOf(b.source())
	if err != nil {
		return err
	}
	got, err := hashOf(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s has other bytes than were sent", path)
	}
	return err
}

func hashOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// killed ends the command by SIGKILL at half of the large file, gives it again, and counts
// at the object store's door what was sent twice.
func (b *bench) killed(ctx context.Context) error {
	if b.size <= client.MaxAdd {
		return nil // it goes in one request
	}
	if err := b.serve(ctx, b.proxy.url); err != nil {
		return err
	}
	back := filepath.Join(b.dir, "back.bin")
	for _, tc := range []struct {
		what string
		args []string
		aim  int // segments at most twice: what is got but not yet remembered
	}{
		{"add", []string{"add", b.source(), "--job", fmt.Sprint(b.job), "--name", "killed"}, 0},
		{"get", []string{"get", fmt.Sprintf("%d/killed/bin", b.job), "-o", back}, 4},
	} {
		b.proxy.begin(b.size / 2)
		c := b.command(ctx, tc.args...)
		if err := c.Start(); err != nil {
			return err
		}
		watched := b.watch(c.Process.Pid)
		select {
		case <-b.proxy.half:
		case <-ctx.Done():
		}
		_ = c.Process.Kill()
		err := c.Wait()
		watched()
		if err == nil {
			return fmt.Errorf("%s ended before it was killed", tc.what)
		}
		first := b.proxy.take()
		if _, err := os.Stat(back); tc.what == "get" && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("get was killed, and its file is there: %w", err)
		}
		if _, err := b.joboutputs(ctx, tc.args...); err != nil {
			return err
		}
		second := b.proxy.take()
		twice := 0
		for part := range second {
			if first[part] {
				twice++
			}
		}
		b.add(tc.what+" killed at half and given again: parts moved twice", float64(twice), "", fmt.Sprintf("≤ %d", tc.aim), twice <= tc.aim,
			fmt.Sprintf("%d parts before the kill, %d after", len(first), len(second)))
	}
	return errors.Join(b.same(back), os.Remove(back))
}
