// Command infra is the service's CDK app: it reads the catalogue and makes of it what
// runs on AWS. The CDK's command starts it (cdk.json); `make synth`, `make diff` and
// `make deploy` start that.
//
// stack.go is the whole in one look; each other file is one part of it.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// jsii waits for its interpreter in two places; the one that comes second would report
	// that there is nothing to wait for.
	os.Stderr = nil
	jsii.Close()
	if err != nil {
		os.Exit(1)
	}
}

func run() error {
	app := newApp(nil, nil)
	s, err := fromContext(func(name string) string {
		text, _ := app.Node().TryGetContext(&name).(string)
		return text
	})
	if err != nil {
		return err
	}
	if err := build(s.Arch, s.Build); err != nil {
		return err
	}
	newStack(app, s)
	app.Synth(nil)
	return nil
}

// newApp makes an app with this context beside what the CDK's command hands over, and
// without the CDK's own metadata in the template (versionReporting). It writes to outdir;
// nil = where the CDK's command says.
func newApp(context map[string]any, outdir *string) awscdk.App {
	return awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Context: &context, Outdir: outdir})
}
