package localaws

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

func checkDigest(file, want string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s has SHA-256 %s, want %s", filepath.Base(file), got, want)
	}
	return nil
}

// unpackEmulator takes from the npm tarball what DynamoDB Local runs from: its jar,
// the jars and native libraries beside it, and its licences.
func unpackEmulator(tarball, into string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	const lib = "DynamoDBLocal_lib"
	if err := os.Mkdir(filepath.Join(into, lib), 0o755); err != nil {
		return fmt.Errorf("make its directory: %w", err)
	}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		// Directory and extension are matched and the base name is kept, so no
		// name in the archive leads out of the directory.
		dir, name := path.Split(h.Name)
		var to string
		switch ext := path.Ext(name); {
		case dir == "package/emulator/" && (ext == ".jar" || ext == ".txt"):
			to = filepath.Join(into, name)
		case dir == "package/emulator/"+lib+"/" && (ext == ".jar" || ext == ".so" || ext == ".dylib"):
			to = filepath.Join(into, lib, name)
		default:
			continue
		}
		if err := writeFile(to, archive); err != nil {
			return err
		}
	}
}

func writeFile(name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write a file: %w", err)
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
