package filter

import (
	"strconv"
	"strings"
	"time"
)

// Column is a value of an output that filters, orders and the stored item have in
// common.
type Column uint8

// Numbers come first, the times among them as microseconds since 1970, then texts.
const (
	pk Column = iota
	job
	creator
	size
	creationTime
	deletionTime

	name
	typ
	username
	contentType
	sha256Hex

	numNumbers = name
	numColumns = sha256Hex + 1
)

var attributes = [numColumns]string{
	"pk", "job", "creator", "size", "creation_time", "deletion_time",
	"name", "type", "creator_username", "content_type", "sha256",
}

// String returns the name of the attribute that holds the column in a stored item.
func (c Column) String() string { return attributes[c] }

func (c Column) isText() bool { return c >= numNumbers }
func (c Column) isTime() bool { return c == creationTime || c == deletionTime }

// nullable reports whether the column can be NULL.
func (c Column) nullable() bool {
	switch c {
	case creator, deletionTime, username, contentType, sha256Hex:
		return true
	}
	return false
}

// sparse reports whether a stored item may lack the column's attribute: DynamoDB items
// here hold neither NULL nor empty strings, and type may be empty.
func (c Column) sparse() bool { return c.nullable() || c == typ }

// A field is a column by one of the names a filter may use.
type field struct {
	Column
	// relation marks the names of Django's foreign keys. Unlike other numbers, the
	// original can't take them for text: no contains, no case_insensitive.
	relation bool
}

// fields is all that can be named; a closed list on purpose, since the original let
// filters reach every table, password hashes included.
var fields = map[string]field{
	"pk":               {Column: pk},
	"id":               {Column: pk},
	"job":              {Column: job, relation: true},
	"job_id":           {Column: job, relation: true},
	"job.pk":           {Column: job},
	"job.id":           {Column: job},
	"name":             {Column: name},
	"type":             {Column: typ},
	"creator":          {Column: creator, relation: true},
	"creator_id":       {Column: creator, relation: true},
	"creator.pk":       {Column: creator},
	"creator.id":       {Column: creator},
	"creator.username": {Column: username},
	"creation_time":    {Column: creationTime},
	"deletion_time":    {Column: deletionTime},
	"size":             {Column: size},
	"sha256":           {Column: sha256Hex},
	"content_type":     {Column: contentType},
}

// fieldNamed finds a field. Joins are written with a dot, or two underscores as in
// Django.
func fieldNamed(s string) (field, bool) {
	f, ok := fields[strings.ReplaceAll(s, "__", ".")]
	return f, ok
}

// number returns the row's value in a number column; !ok = NULL.
func (c Column) number(r *Row) (v int64, ok bool) {
	switch c {
	case pk:
		return r.PK, true
	case job:
		return r.Job, true
	case creator:
		return r.Creator, r.Creator != 0
	case size:
		return r.Size, true
	case creationTime:
		return r.CreationTime.UnixMicro(), true
	case deletionTime:
		return r.DeletionTime.UnixMicro(), !r.DeletionTime.IsZero()
	}
	panic("filter: " + c.String() + " is no number")
}

// text returns the row's value in a text column; !ok = NULL.
func (c Column) text(r *Row) (s string, ok bool) {
	switch c {
	case name:
		return r.Name, true
	case typ:
		return r.Type, true
	case username:
		s = r.Username
	case contentType:
		s = r.ContentType
	case sha256Hex:
		s = r.SHA256
	default:
		panic("filter: " + c.String() + " is no text")
	}
	return s, s != ""
}

// appendPrinted appends the text PostgreSQL has for a number, which is what contains and
// case_insensitive look at: its digits, or a time in UTC without trailing zeros.
func (c Column) appendPrinted(b []byte, r *Row) (text []byte, ok bool) {
	v, ok := c.number(r)
	if c.isTime() {
		return time.UnixMicro(v).UTC().AppendFormat(b, "2006-01-02 15:04:05.999999+00"), ok
	}
	return strconv.AppendInt(b, v, 10), ok
}

// setNumber and setText are the inverse of number and text.
func (c Column) setNumber(r *Row, v int64) {
	switch c {
	case pk:
		r.PK = v
	case job:
		r.Job = v
	case creator:
		r.Creator = v
	case size:
		r.Size = v
	case creationTime:
		r.CreationTime = time.UnixMicro(v).UTC()
	case deletionTime:
		r.DeletionTime = time.UnixMicro(v).UTC()
	}
}

func (c Column) setText(r *Row, s string) {
	switch c {
	case name:
		r.Name = s
	case typ:
		r.Type = s
	case username:
		r.Username = s
	case contentType:
		r.ContentType = s
	case sha256Hex:
		r.SHA256 = s
	}
}
