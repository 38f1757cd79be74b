package main

import (
	"context"
	"fmt"
	"os"

	"joboutputs/infra/bench/limits"
	"joboutputs/infra/bench/result"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == limits.Child {
		if err := limits.RunChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	t, err := limits.Limits{Profiles: os.Getenv("PROFILES")}.Run(context.Background(), true)
	fmt.Println(result.Result{Tables: t}.Markdown(), err)
}
