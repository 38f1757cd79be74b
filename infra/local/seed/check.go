package seed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"joboutputs/shared/auth"
	"joboutputs/shared/localaws/fixture"
	"joboutputs/shared/outputs"
)

// checker gathers what a file defines, and the first thing that is wrong with it.
type checker struct {
	users, nodes, jobs map[int64]bool
	err                error
}

// wrong notes a problem; only the first is told.
func (c *checker) wrong(field, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
	}
}

// check turns the JSON into a seed, or says which field cannot be.
func check(in file) (*Seed, error) {
	c := &checker{users: map[int64]bool{}, nodes: map[int64]bool{}, jobs: map[int64]bool{}}
	s := &Seed{Tenant: DefaultTenant}
	if in.Tenant != nil {
		s.Tenant = *in.Tenant
	}
	if !auth.ValidTenant(s.Tenant) {
		c.wrong("tenant", "%q is not 1 to %d of a-z, 0-9 and -", s.Tenant, auth.MaxTenantLength)
	}
	for i, n := range in.Nodes { // what others refer to comes first
		c.key(fmt.Sprintf("nodes[%d].pk", i), n.PK, c.nodes)
	}
	for i, j := range in.Jobs {
		c.loaded(fmt.Sprintf("jobs[%d].pk", i), j.PK, c.jobs)
	}
	s.Users = c.readUsers(in.Users)
	for i, n := range in.Nodes {
		s.Nodes = append(s.Nodes, Node{PK: n.PK, CurrentJob: c.ref(fmt.Sprintf("nodes[%d].current_job", i), n.CurrentJob, c.jobs, "job")})
	}
	for i, j := range in.Jobs {
		s.Jobs = append(s.Jobs, c.readJob(fmt.Sprintf("jobs[%d]", i), j))
	}
	s.Outputs = c.readOutputs(in.Outputs)
	s.NextJobOutputPK = 1
	for _, o := range s.Outputs {
		s.NextJobOutputPK = max(s.NextJobOutputPK, o.PK+1)
	}
	if next := in.NextJobOutputPK; next != nil {
		if *next < s.NextJobOutputPK || *next > fixture.MaxPK+1 {
			c.wrong("next_job_output_pk", "%d is not from %d, one above the greatest output, to %d: a tenth of the keys stays free", *next, s.NextJobOutputPK, fixture.MaxPK+1)
		}
		s.NextJobOutputPK = *next
	}
	if c.err != nil {
		return nil, c.err
	}
	return s, nil
}

// key checks a pk and that it is there once.
func (c *checker) key(field string, pk int64, seen map[int64]bool) {
	switch {
	case pk < 1 || pk > auth.MaxPK:
		c.wrong(field, "%d is not a pk: must be 1 to %d", pk, auth.MaxPK)
	case seen[pk]:
		c.wrong(field, "%d is there twice", pk)
	}
	seen[pk] = true
}

// loaded checks the pk of a job or an output: the loader leaves keys above them.
func (c *checker) loaded(field string, pk int64, seen map[int64]bool) {
	c.key(field, pk, seen)
	if pk > fixture.MaxPK {
		c.wrong(field, "%d is above %d: a tenth of the keys stays free", pk, fixture.MaxPK)
	}
}

// ref is a pk that must be in the file; null is 0.
func (c *checker) ref(field string, pk *int64, in map[int64]bool, what string) int64 {
	if pk == nil {
		return 0
	}
	if !in[*pk] {
		c.wrong(field, "there is no %s %d in the file", what, *pk)
	}
	return *pk
}

func (c *checker) readUsers(in []fileUser) []User {
	names := map[string]bool{}
	var users []User
	for i, u := range in {
		at := fmt.Sprintf("users[%d]", i)
		c.key(at+".pk", u.PK, c.users)
		switch {
		case u.Username == "" || strings.TrimSpace(u.Username) != u.Username:
			c.wrong(at+".username", "%q is empty or has blanks around it", u.Username)
		case names[u.Username]:
			c.wrong(at+".username", "%q is there twice", u.Username)
		}
		names[u.Username] = true
		if u.Password == "" || strings.TrimSpace(u.Password) != u.Password { // obtain trims, as UFDL's does
			c.wrong(at+".password", "is empty or has blanks around it")
		}
		for k, n := range u.Nodes {
			c.ref(fmt.Sprintf("%s.nodes[%d]", at, k), &n, c.nodes, "node")
		}
		users = append(users, User{
			PK: u.PK, Username: u.Username, Password: u.Password, Email: u.Email,
			Admin: u.IsStaff, Active: u.IsActive == nil || *u.IsActive, Nodes: u.Nodes,
		})
	}
	return users
}

func (c *checker) readJob(at string, j fileJob) Job {
	job := Job{
		PK: j.PK, Description: j.Description, ErrorReason: j.ErrorReason,
		Node:         c.ref(at+".node", j.Node, c.nodes, "node"),
		Creator:      c.ref(at+".creator", j.Creator, c.users, "user"),
		CreationTime: c.time(at+".creation_time", &j.CreationTime),
		StartTime:    c.time(at+".start_time", j.StartTime),
		EndTime:      c.time(at+".end_time", j.EndTime),
		DeletionTime: c.time(at+".deletion_time", j.DeletionTime),
	}
	if !job.EndTime.IsZero() && job.StartTime.IsZero() {
		c.wrong(at+".end_time", "the job ended but start_time is null")
	}
	return job
}

func (c *checker) readOutputs(in []fileOutput) []Output {
	type name struct {
		job        int64
		name, kind string
	}
	pks, names := map[int64]bool{}, map[name]int64{}
	var all []Output
	for i, o := range in {
		at := fmt.Sprintf("job_outputs[%d]", i)
		c.loaded(at+".pk", o.PK, pks)
		c.ref(at+".job", &o.Job, c.jobs, "job")
		if n := utf8.RuneCountInString(o.Name); n < 1 || n > outputs.MaxName || strings.ContainsRune(o.Name, 0) {
			c.wrong(at+".name", "must be 1 to %d characters, none of them NUL", outputs.MaxName)
		}
		if len(o.Type) > outputs.MaxType || strings.ContainsRune(o.Type, 0) { // an empty type can be there, but not be added
			c.wrong(at+".type", "must be at most %d bytes, none of them NUL", outputs.MaxType)
		}
		if other, taken := names[name{o.Job, o.Name, o.Type}]; taken {
			c.wrong(at+".name", "output %d of job %d has the same name and type", other, o.Job)
		}
		names[name{o.Job, o.Name, o.Type}] = o.PK
		all = append(all, Output{
			PK: o.PK, Job: o.Job, Name: o.Name, Type: o.Type,
			Creator:      c.ref(at+".creator", o.Creator, c.users, "user"),
			CreationTime: c.time(at+".creation_time", &o.CreationTime),
			DeletionTime: c.time(at+".deletion_time", o.DeletionTime),
			Content:      c.content(at, o),
		})
	}
	return all
}

func (c *checker) content(at string, o fileOutput) []byte {
	content, err := base64.StdEncoding.Strict().DecodeString(o.Data)
	if err != nil {
		c.wrong(at+".data_b64", "not base64: %v", err)
	}
	sum := sha256.Sum256(content)
	if o.SHA256 != "" && !strings.EqualFold(o.SHA256, hex.EncodeToString(sum[:])) {
		c.wrong(at+".data_sha256", "the content's is %x", sum)
	}
	return content
}

// time reads RFC 3339 with an offset, to the microsecond, as it is kept; null is zero.
func (c *checker) time(field string, text *string) time.Time {
	if text == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	switch {
	case err != nil:
		c.wrong(field, "%q is not a time like 2023-01-02T03:04:05.678901Z", *text)
	case !t.Equal(t.Truncate(time.Microsecond)):
		c.wrong(field, "%q is finer than a microsecond", *text)
	case t.IsZero():
		c.wrong(field, "%q is the one time that stands for none", *text)
	}
	return t.UTC()
}
