package seed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// file is the JSON as it is written. Pointers tell what is absent or null from zeros.
type file struct {
	Note            string       `json:"note"`
	Tenant          *string      `json:"tenant"`
	Users           []fileUser   `json:"users"`
	Nodes           []fileNode   `json:"nodes"`
	Jobs            []fileJob    `json:"jobs"`
	Outputs         []fileOutput `json:"job_outputs"`
	NextJobOutputPK *int64       `json:"next_job_output_pk"`
}

type fileUser struct {
	PK          int64   `json:"pk"`
	Username    string  `json:"username"`
	Password    string  `json:"password"`
	Email       string  `json:"email"`
	IsStaff     bool    `json:"is_staff"`
	IsSuperuser bool    `json:"is_superuser"`
	IsActive    *bool   `json:"is_active"`
	Nodes       []int64 `json:"nodes"`
}

type fileNode struct {
	PK         int64  `json:"pk"`
	IP         string `json:"ip"`
	Index      int64  `json:"index"`
	CurrentJob *int64 `json:"current_job"`
}

type fileJob struct {
	PK           int64   `json:"pk"`
	Description  string  `json:"description"`
	Node         *int64  `json:"node"`
	Creator      *int64  `json:"creator"`
	CreationTime string  `json:"creation_time"`
	StartTime    *string `json:"start_time"`
	EndTime      *string `json:"end_time"`
	ErrorReason  *string `json:"error_reason"`
	DeletionTime *string `json:"deletion_time"`
	IsMeta       bool    `json:"is_meta"`
}

type fileOutput struct {
	PK           int64   `json:"pk"`
	Job          int64   `json:"job"`
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	Creator      *int64  `json:"creator"`
	CreationTime string  `json:"creation_time"`
	DeletionTime *string `json:"deletion_time"`
	Data         string  `json:"data_b64"`
	SHA256       string  `json:"data_sha256"`
}

// ReadFile reads a seed file. Its errors begin with the file's name, and name the line
// (text that is not the JSON of a seed) or the field (a value that cannot be).
func ReadFile(name string) (*Seed, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(filepath.Base(name), f)
}

// Read is ReadFile of something already open; name is what errors call it.
func Read(name string, r io.Reader) (*Seed, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var in file
	if err := json.Unmarshal(text, &in, json.RejectUnknownMembers(true)); err != nil {
		line, reason := explain(text, err)
		return nil, fmt.Errorf("%s:%d: %s", name, line, reason)
	}
	s, err := check(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// explain is the line and the reason of a decoding error, in the file's own terms.
func explain(text []byte, err error) (line int, reason string) {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		where := field(string(semantic.JSONPointer))
		if errors.Is(err, json.ErrUnknownName) {
			return lineOf(text, semantic.ByteOffset), where + ": there is no such key"
		}
		return lineOf(text, semantic.ByteOffset), fmt.Sprintf("%s: must be %s, not %s", where, kindOf(semantic), semantic.JSONKind)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return lineOf(text, syntactic.ByteOffset), field(string(syntactic.JSONPointer)) + ": the key is there twice"
		}
		return lineOf(text, syntactic.ByteOffset), "not JSON: " + syntactic.Err.Error()
	}
	return lineOf(text, int64(len(text))), "not JSON: it ends too early"
}

// kindOf is what the field should have been.
func kindOf(err *json.SemanticError) string {
	if err.GoType == nil {
		return "something else"
	}
	goType := err.GoType
	if goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	switch goType.Kind() {
	case reflect.Int64:
		return "an integer"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

// lineOf is the line of a byte, counted from 1. The blanks and punctuation before a value
// are not yet the value.
func lineOf(text []byte, offset int64) int {
	offset = max(0, min(offset, int64(len(text))))
	for offset < int64(len(text)) && strings.IndexByte(" \t\r\n,:", text[offset]) >= 0 {
		offset++
	}
	return bytes.Count(text[:offset], []byte("\n")) + 1
}

// field is a JSON pointer as a person writes it: users[2].nodes[0].
func field(pointer string) string {
	var b strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		if _, err := strconv.Atoi(token); err == nil {
			fmt.Fprintf(&b, "[%s]", token)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	if b.Len() == 0 {
		return "the file"
	}
	return b.String()
}
