package main

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"joboutputs/functions"
)

// maxBinary bounds a Lambda's bootstrap, in bytes: cold starts load all of it.
const maxBinary = 12 << 20

// build makes the bootstraps of an architecture, so that `cdk deploy` alone is enough and
// never ships old ones. What is up to date costs next to nothing.
func build(arch, folder string) error {
	cmd := exec.Command("make", "--no-print-directory", "build", "ARCH="+arch, "BUILD="+folder)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // stdout is the CDK's
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make build: %w", err)
	}
	for _, f := range functions.Catalogue() {
		if err := checkBinary(filepath.Join(folder, string(f.Name), "bootstrap"), arch); err != nil {
			return err
		}
	}
	return nil
}

// checkBinary refuses a file that a Lambda of the architecture cannot run, or should not.
func checkBinary(path, arch string) error {
	machine := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}[arch]
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if f.Machine != machine {
		return fmt.Errorf("%s is for %s and not for %s", path, f.Machine, machine)
	}
	if f.Section(".interp") != nil {
		return fmt.Errorf("%s is linked dynamically", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxBinary {
		return fmt.Errorf("%s has %d bytes, over the limit of %d", path, info.Size(), maxBinary)
	}
	return nil
}
