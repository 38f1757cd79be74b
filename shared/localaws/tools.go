package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// EnvTools names another directory for the tools than .tools at the module's root.
const EnvTools = "JOBOUTPUTS_TOOLS"

const (
	simulatorVersion = "2.9.30"
	simulator        = "amplify-dynamodb-simulator@" + simulatorVersion // of npm; carries DynamoDB Local 1.25.1

	// simulatorSHA256 is of the tarball as published, and with it of every file in it.
	simulatorSHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"

	gatewayVersion = "v1.8.0"
	gatewayPackage = "github.com/versity/versitygw/cmd/versitygw@" + gatewayVersion
)

// Tools is the directory with the two servers. A server that is not in it yet is
// fetched: DynamoDB Local with npm and checked against its digest here, VersityGW
// compiled by the go command, which checks it against Go's checksum database.
type Tools struct {
	Dir string
	Log io.Writer // told of what takes long; not nil
}

// FindTools takes the directory from the environment (EnvTools), or else .tools at
// the root of the module the working directory is in.
func FindTools(log io.Writer) (Tools, error) {
	if dir := os.Getenv(EnvTools); dir != "" {
		return Tools{Dir: dir, Log: log}, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return Tools{}, fmt.Errorf("find the tools directory: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return Tools{Dir: filepath.Join(dir, ".tools"), Log: log}, nil
		}
		if dir == filepath.Dir(dir) {
			return Tools{}, fmt.Errorf("no go.mod above %s to keep the local servers by: set %s to a directory for them", wd, EnvTools)
		}
	}
}

// Fetch has both servers in the directory when it returns.
func (t Tools) Fetch(ctx context.Context) error {
	_, _, _, err := t.fetch(ctx)
	return err
}

// fetch returns what a start needs, absolute: the java program, DynamoDB Local's
// directory and the gateway program.
func (t Tools) fetch(ctx context.Context) (java, emulator, gateway string, err error) {
	// What only a person can mend comes before what takes minutes.
	if java, err = findJava(ctx); err != nil {
		return "", "", "", err
	}
	if t.Dir, err = filepath.Abs(t.Dir); err != nil {
		return "", "", "", fmt.Errorf("find the tools directory: %w", err)
	}
	emulator = filepath.Join(t.Dir, "dynamodb-local-"+simulatorVersion)
	if err = t.once(ctx, emulator, t.fetchDynamoDB); err != nil {
		return "", "", "", err
	}
	// The platform is in the name, for a directory mounted on several systems.
	dir := filepath.Join(t.Dir, strings.Join([]string{"versitygw", gatewayVersion, runtime.GOOS, runtime.GOARCH}, "-"))
	if err = t.once(ctx, dir, t.compileGateway); err != nil {
		return "", "", "", err
	}
	return java, emulator, filepath.Join(dir, "versitygw"), nil
}

// once has make fill the directory dir if it is not there. The directory appears
// complete or not at all, and of several processes that come at once, one makes it
// while the others wait.
func (t Tools) once(ctx context.Context, dir string, make func(ctx context.Context, into string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return fmt.Errorf("make the tools directory: %w", err)
	}
	lock, err := lockFile(ctx, filepath.Join(t.Dir, "lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return nil // made while we waited
	}
	tmp, err := os.MkdirTemp(t.Dir, "fetching-")
	if err != nil {
		return fmt.Errorf("make a directory to fetch into: %w", err)
	}
	defer os.RemoveAll(tmp)
	into := filepath.Join(tmp, "made")
	if err := os.Mkdir(into, 0o755); err != nil {
		return fmt.Errorf("make a directory to fetch into: %w", err)
	}
	began := time.Now()
	if err := make(ctx, into); err != nil {
		return err
	}
	if err := os.Rename(into, dir); err != nil {
		return fmt.Errorf("put the fetched in its place: %w", err)
	}
	fmt.Fprintf(t.Log, "… done in %s\n", time.Since(began).Round(time.Second))
	return nil
}

func (t Tools) fetchDynamoDB(ctx context.Context, into string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is needed once, to fetch DynamoDB Local: install Node.js (Debian: apt-get install npm)")
	}
	fmt.Fprintln(t.Log, "fetching DynamoDB Local (57 MB, once) …")
	tmp := filepath.Dir(into)
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", tmp, simulator)
	cmd.Dir = tmp // not in a directory with a package.json of its own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w\n%s", simulator, err, out)
	}
	tarball := filepath.Join(tmp, strings.Replace(simulator, "@", "-", 1)+".tgz")
	if err := checkDigest(tarball, simulatorSHA256); err != nil {
		return fmt.Errorf("check DynamoDB Local: %w", err)
	}
	if err := unpackEmulator(tarball, into); err != nil {
		return fmt.Errorf("unpack DynamoDB Local: %w", err)
	}
	return nil
}

func (t Tools) compileGateway(ctx context.Context, into string) error {
	fmt.Fprintf(t.Log, "compiling the S3 gateway VersityGW %s (one to two minutes, once) …\n", gatewayVersion)
	cmd := exec.CommandContext(ctx, "go", "install", gatewayPackage)
	cmd.Dir = into
	cmd.Env = append(os.Environ(), "GOBIN="+into)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w\n%s", gatewayPackage, err, out)
	}
	return nil
}

const oldestJava = 17

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`) // Java 8 says 1.8

// findJava is the java program on the PATH, if it is new enough for DynamoDB Local.
func findJava(ctx context.Context) (string, error) {
	needed := func(why string) error {
		//lint:ignore ST1005 Java is a name
		return fmt.Errorf("Java %d or newer is needed for DynamoDB Local%s: install a JRE (Debian: apt-get install openjdk-17-jre-headless)", oldestJava, why)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", needed("")
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil { // macOS has a java that only says there is none
		return "", needed("")
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return "", needed("")
	}
	if v, err := strconv.Atoi(string(m[1])); err != nil || v < oldestJava {
		return "", needed(fmt.Sprintf(", and %s is Java %s", java, m[1]))
	}
	return java, nil
}
