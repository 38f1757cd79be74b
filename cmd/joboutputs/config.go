package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"joboutputs/shared/client"
)

// config is the configuration file. It has secrets and is the owner's alone.
type config struct {
	Server string           `json:"server,omitempty"`
	Node   int64            `json:"node,omitempty"`
	Logins map[string]login `json:"logins,omitempty"` // by server: a token goes nowhere else
}

type login struct {
	Username string `json:"username"`
	client.Tokens
}

func (a *app) configPath() (string, error) {
	if path := cmp.Or(a.configFlag, a.env("JOBOUTPUTS_CONFIG")); path != "" {
		return path, nil
	}
	path, err := a.config()
	if err != nil {
		return "", fmt.Errorf("%w; give --config FILE", err)
	}
	return path, nil
}

// openConfig reads the file; one that is not there is empty.
func (a *app) openConfig() (config, error) {
	path, err := a.configPath()
	if err != nil {
		return config{}, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return config{}, nil
	}
	if err != nil {
		return config{}, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		a.note("warning: %s has tokens and can be read by others; make it yours alone: chmod 600 %s", path, path)
	}
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return config{}, fmt.Errorf("%s is not a configuration file: %w; remove it and log in again", path, err)
	}
	return c, nil
}

// change reads, changes and replaces the file in one step.
func (a *app) change(edit func(*config)) error {
	c, err := a.openConfig()
	if err != nil {
		return err
	}
	edit(&c)
	path, err := a.configPath()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".config-*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(text, '\n'))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// saveLogin keeps tokens, and the server as the one to call, if asked to.
func (a *app) saveLogin(server, username string, pair client.Tokens, asDefault bool) error {
	return a.change(func(c *config) {
		if c.Logins == nil {
			c.Logins = map[string]login{}
		}
		c.Logins[server] = login{username, pair}
		if asDefault {
			c.Server = server
			if a.nodeFlag > 0 {
				c.Node = a.nodeFlag
			}
		}
	})
}
