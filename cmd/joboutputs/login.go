package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"joboutputs/shared/client"
)

func (a *app) loginCommand() *cobra.Command {
	var username string
	var passwordStdin bool
	c := &cobra.Command{
		Use: "login", Short: "Log in and remember the service",
		Long: `Asks for username and password, gets tokens for them and keeps these, not the password, in
the configuration file (0600). The service becomes the one that later commands call, and
--node, if given, the node they act for.`,
		Example: `  joboutputs login --server https://jobs.example.org --username alice
  joboutputs login --server http://127.0.0.1:8080 --username admin --password-stdin < secret`,
		Args: arguments(0, 0, "no arguments, but --server and --username"),
		RunE: func(c *cobra.Command, _ []string) error {
			file, err := a.openConfig()
			if err != nil {
				return err
			}
			server := strings.TrimRight(cmp.Or(a.serverFlag, a.env("JOBOUTPUTS_SERVER"), file.Server), "/")
			if server == "" {
				return usage("which service? Give --server URL")
			}
			a.server = server
			if a.nodeFlag < 0 {
				return usage("--node %d: want a primary key, from 1", a.nodeFlag)
			}
			api, err := client.New(client.Config{Server: server, HTTP: a.http, UserAgent: "joboutputs/" + version()})
			if err != nil {
				return usage("%v", err)
			}
			if u, err := url.Parse(server); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
				a.note("warning: %s is not encrypted; others on the way can read the password", server)
			}
			username, password, err := a.credentials(username, passwordStdin)
			if err != nil {
				return err
			}
			pair, err := api.Login(c.Context(), username, password)
			if err != nil {
				return err
			}
			if err := a.saveLogin(server, username, pair, true); err != nil {
				return fmt.Errorf("logged in, but that could not be kept: %w", err)
			}
			a.note("logged in to %s as %s", server, printable(username))
			return nil
		},
	}
	c.Flags().StringVarP(&username, "username", "u", "", "`name` to log in with; asked for if missing")
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password from standard input")
	return c
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// credentials are those of flags and environment, and what a person is asked for.
func (a *app) credentials(username string, passwordStdin bool) (string, string, error) {
	username = cmp.Or(username, a.env("JOBOUTPUTS_USERNAME"))
	if username == "" {
		if !a.inTerminal || passwordStdin {
			return "", "", usage("who is it? Give --username NAME")
		}
		fmt.Fprint(a.err, "Username: ")
		var err error
		if username, err = readLine(a.in); err != nil {
			return "", "", err
		}
	}
	if passwordStdin {
		text, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
		return username, strings.TrimRight(string(text), "\r\n"), err
	}
	if password := a.env("JOBOUTPUTS_PASSWORD"); password != "" {
		return username, password, nil
	}
	if !a.inTerminal {
		return "", "", usage("there is no terminal to ask for the password on; give --password-stdin or set JOBOUTPUTS_PASSWORD")
	}
	fmt.Fprint(a.err, "Password: ")
	password, err := a.password()
	fmt.Fprintln(a.err)
	return username, password, err
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Forget the login",
		Long: "Removes the tokens of a service from the configuration file.",
		Args: arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			file, err := a.openConfig()
			if err != nil {
				return err
			}
			server := strings.TrimRight(cmp.Or(a.serverFlag, a.env("JOBOUTPUTS_SERVER"), file.Server), "/")
			if _, ok := file.Logins[server]; !ok {
				a.note("there is no login to %s", cmp.Or(server, "any service"))
				return nil
			}
			if err := a.change(func(c *config) { delete(c.Logins, server) }); err != nil {
				return err
			}
			a.note("logged out of %s", server)
			return nil
		},
	}
}
