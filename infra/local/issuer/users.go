package issuer

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"joboutputs/shared/auth"
)

// User is who can log in. The JSON names are those of a seed file.
type User struct {
	Tenant   string  `json:"tenant"`
	PK       int64   `json:"pk"`
	Username string  `json:"username"` // unique in the tenant, as is PK
	Password string  `json:"password"` // a throw-away one: kept as it is
	Admin    bool    `json:"is_staff"`
	Active   bool    `json:"is_active"`
	Nodes    []int64 `json:"nodes"` // the nodes the user may act for
}

// LogValue keeps passwords out of logs.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// String keeps passwords out of messages.
func (u User) String() string { return fmt.Sprintf("user %q of tenant %q", u.Username, u.Tenant) }

func (u User) validate() error {
	switch {
	case !auth.ValidTenant(u.Tenant):
		return fmt.Errorf("%v: the tenant must be [a-z0-9-]{1,%d}", u, auth.MaxTenantLength)
	case u.PK < 1 || u.PK > auth.MaxPK:
		return fmt.Errorf("%v: pk must be from 1 to %d", u, auth.MaxPK)
	case strings.TrimSpace(u.Username) == "" || u.Username != strings.TrimSpace(u.Username):
		return fmt.Errorf("%v: the username must not be blank, or begin or end so: nobody could log in", u)
	case strings.TrimSpace(u.Password) == "" || u.Password != strings.TrimSpace(u.Password):
		return fmt.Errorf("%v: the password must not be blank, or begin or end so: nobody could log in", u)
	case slices.ContainsFunc(u.Nodes, func(n int64) bool { return n < 1 || n > auth.MaxPK }):
		return fmt.Errorf("%v: nodes must be from 1 to %d", u, auth.MaxPK)
	}
	return nil
}

// difference names the first field in which two users differ, "" for none.
func (u User) difference(other User) string {
	switch {
	case u.PK != other.PK:
		return "pk"
	case u.Username != other.Username:
		return "username"
	case u.Password != other.Password:
		return "password"
	case u.Admin != other.Admin:
		return "is_staff"
	case u.Active != other.Active:
		return "is_active"
	case !slices.Equal(u.Nodes, other.Nodes):
		return "nodes"
	}
	return ""
}

type byName struct{ tenant, username string }

type byPK struct {
	tenant string
	pk     int64
}

// directory is the users, in memory and in a file with a line for each.
type directory struct {
	path string // "" = in memory alone

	mu      sync.RWMutex
	names   map[byName]User
	pks     map[byPK]User
	tenants map[string]bool
}

const usersFile = "users.jsonl"

func openDirectory(dir string) (*directory, error) {
	d := &directory{names: map[byName]User{}, pks: map[byPK]User{}, tenants: map[string]bool{}}
	if dir == "" {
		return d, nil
	}
	path := filepath.Join(dir, usersFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if whole < len(text) { // a kill in the middle of a line: that user was never there
		if err := os.Truncate(path, int64(whole)); err != nil {
			return nil, fmt.Errorf("read the users: %w", err)
		}
	}
	number := 0
	for line := range bytes.Lines(text[:whole]) {
		number++
		var u User
		err := json.Unmarshal(line, &u)
		if err == nil {
			err = d.add(u)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
	}
	d.path = path
	return d, nil
}

func (d *directory) add(u User) error {
	if err := u.validate(); err != nil {
		return err
	}
	u.Nodes = slices.Clone(u.Nodes)
	d.mu.Lock()
	defer d.mu.Unlock()
	name, pk := byName{u.Tenant, u.Username}, byPK{u.Tenant, u.PK}
	for _, known := range []func() (User, bool){
		func() (User, bool) { known, ok := d.names[name]; return known, ok },
		func() (User, bool) { known, ok := d.pks[pk]; return known, ok },
	} {
		if known, ok := known(); ok {
			if field := u.difference(known); field != "" {
				return fmt.Errorf("%v: %s is another one than that of %v, who is there already", u, field, known)
			}
			return nil
		}
	}
	if err := d.save(u); err != nil {
		return err
	}
	d.names[name], d.pks[pk], d.tenants[u.Tenant] = u, u, true
	return nil
}

// save appends the user's line in one write.
func (d *directory) save(u User) error {
	if d.path == "" {
		return nil
	}
	line, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("save %v: %w", u, err)
	}
	file, err := os.OpenFile(d.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save %v: %w", u, err)
	}
	_, err = file.Write(append(line, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("save %v: %w", u, err)
	}
	return nil
}

// byLogin finds who logs in: name@tenant if there is such a tenant, else a user of the
// default tenant, whose name may hold an @.
func (d *directory) byLogin(login string) (User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	tenant, name := DefaultTenant, login
	if at := strings.LastIndexByte(login, '@'); at >= 0 && d.tenants[login[at+1:]] {
		name, tenant = login[:at], login[at+1:]
	}
	u, ok := d.names[byName{tenant, name}]
	return u, ok
}

func (d *directory) allTenants() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.tenants))
}

func (d *directory) byName(tenant, username string) (User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u, ok := d.names[byName{tenant, username}]
	return u, ok
}

func (d *directory) byPK(tenant string, pk int64) (User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u, ok := d.pks[byPK{tenant, pk}]
	return u, ok
}

// samePassword compares in constant time; hashes, because lengths differ.
func samePassword(a, b string) bool {
	left, right := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(left[:], right[:]) == 1
}
