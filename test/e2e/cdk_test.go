//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cdk runs the CDK's command against the emulator.
type cdk struct {
	root, dir   string
	emulator    *ministack
	certificate string
}

// deployment is a deployed stack.
type deployment struct {
	stack, template string
	assembly        string            // the folder that `cdk deploy` was given
	outputs         map[string]string // of the stack
	door            *door             // where its API is
}

const stage = "dev"

func (c *cdk) bootstrap(ctx context.Context) error {
	return c.run(ctx, c.dir, "bootstrap", "aws://"+account+"/"+region)
}

// deploy synthesizes the stack for this machine's processor and deploys it.
func (c *cdk) deploy(ctx context.Context, name string, args ...string) (*deployment, error) {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	d := &deployment{stack: name + "-" + stage, assembly: filepath.Join(c.dir, name)}
	d.template = filepath.Join(d.assembly, d.stack+".template.json")
	err := c.run(ctx, c.root, append([]string{
		"synth", "--quiet", "--output", d.assembly,
		"-c", "name=" + name, "-c", "stage=" + stage, "-c", "arch=" + arch, "-c", "build=build/e2e-" + arch,
		"-c", "streaming=off", "-c", "alarms=off", "-c", "endpoint-url=" + c.emulator.endpoint,
	}, args...)...)
	if err != nil {
		return nil, err
	}
	outputs := filepath.Join(c.dir, name+".json")
	err = c.run(ctx, c.dir, "deploy", "--app", d.assembly, "--require-approval", "never", "--progress", "events", "--outputs-file", outputs)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(outputs)
	if err != nil {
		return nil, err
	}
	byStack := map[string]map[string]string{}
	if err := json.Unmarshal(text, &byStack); err != nil {
		return nil, err
	}
	d.outputs = byStack[d.stack]
	api, err := url.Parse(d.outputs["URL"]) // https://<api>.execute-api.<region>.amazonaws.com/<stage>/
	if err != nil {
		return nil, fmt.Errorf("the stack's output URL: %w", err)
	}
	id, _, _ := strings.Cut(api.Host, ".")
	d.door, err = openDoor(c.emulator.host, id, strings.Trim(api.Path, "/"))
	return d, err
}

func (c *cdk) destroy(ctx context.Context, d *deployment) error {
	if err := emptyBucket(ctx, d.outputs["BucketName"]); err != nil {
		return err
	}
	return c.run(ctx, c.dir, "destroy", "--app", d.assembly, "--force")
}

// nothingLeft is an error if a stack in the stage dev leaves anything that keeps data.
func (c *cdk) nothingLeft(ctx context.Context) error {
	for _, d := range []*deployment{own, pool} {
		err := call(ctx, awsJSON("dynamodb", "DynamoDB_20120810.DescribeTable", map[string]any{"TableName": d.outputs["TableName"]}), nil)
		if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
			return fmt.Errorf("the table of %s after its destruction: %v", d.stack, err)
		}
	}
	return nil
}

// run runs the CDK's command and answers what it printed if it fails.
func (c *cdk) run(ctx context.Context, dir string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute) // the first synth compiles the CDK
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.root, ".tools/cdk/node_modules/.bin/cdk"),
		append([]string{"--ci", "--no-notices", "--no-color"}, args...)...)
	cmd.Dir = dir
	for _, v := range os.Environ() { // the go command below needs the machine's own authorities
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "SSL_CERT_FILE=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env,
		"AWS_ENDPOINT_URL="+c.emulator.endpoint, "AWS_CA_BUNDLE="+c.certificate,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"CDK_DISABLE_CLI_TELEMETRY=1",
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cdk %s: %w; its last output:\n%s", args[0], err, tail(out))
	}
	return nil
}
