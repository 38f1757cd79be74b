package conformance

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// row compares a body with an output.
func (c *checker) row(body []byte, want *Output, newPK bool) {
	if got, err := names(body); err != nil || !slices.Equal(got, outputFields) {
		c.fail("members %v (%v), want %v", got, err, outputFields)
	}
	c.times(body)
	var got struct {
		PK, Job      int64
		Name, Type   string
		Creator      *int64
		CreationTime *string `json:"creation_time"`
		DeletionTime *string `json:"deletion_time"`
		Size         *int64
		ContentType  *string `json:"content_type"`
		SHA256       *string
		Checksum     *struct{ Algorithm, Type, Value string }
	}
	if err := json.Unmarshal(body, &got); err != nil {
		c.fail("not an output: %v: %.100q", err, body)
		return
	}
	creator := int64(0)
	if got.Creator != nil {
		creator = *got.Creator
	}
	have := fmt.Sprintf("job %d name %q type %q creator %d", got.Job, got.Name, got.Type, creator)
	if wanted := fmt.Sprintf("job %d name %q type %q creator %d", want.Job, want.Name, want.Type, want.Creator); have != wanted {
		c.fail("%s, want %s", have, wanted)
	}
	if got.PK != want.PK && !newPK {
		c.fail("pk %d, want %d", got.PK, want.PK)
	}
	if !c.sameTime(text(got.CreationTime), want.Created) {
		c.fail("creation_time %q, want %v", text(got.CreationTime), want.Created)
	}
	if !c.sameTime(text(got.DeletionTime), want.Deleted) {
		c.fail("deletion_time %q, want %v", text(got.DeletionTime), want.Deleted)
	}
	if got.Size == nil || *got.Size != int64(len(want.Content)) || text(got.SHA256) != want.sha256() {
		c.fail("size or sha256 %q is not the content's %q", text(got.SHA256), want.sha256())
	}
	digest, _ := hex.DecodeString(want.sha256())
	if sum := got.Checksum; sum != nil && (sum.Algorithm != "SHA256" || sum.Type != "full" || sum.Value != base64.StdEncoding.EncodeToString(digest)) {
		c.fail("checksum %v is not the content's", *sum)
	}
	if text(got.ContentType) != want.ContentType {
		c.fail("content_type %q, want %q", text(got.ContentType), want.ContentType)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sameTime compares a time of an answer, "" for null, with what is known of it.
func (c *checker) sameTime(got string, want Moment) bool {
	if got == "" || !want.Set {
		return got == "" && !want.Set
	}
	t, err := time.Parse(time.RFC3339Nano, got)
	if want.Recent {
		return err == nil && t.After(c.v.w.Began.Add(-slack)) && t.Before(time.Now().Add(slack))
	}
	return err == nil && t.Equal(want.At)
}

// times checks how the times of a body look.
func (c *checker) times(body []byte) {
	var members map[string]any
	_ = json.Unmarshal(body, &members) // what is no object fails elsewhere
	for _, name := range timeFields {
		if s, ok := members[name].(string); ok && !utcMicros.MatchString(s) {
			c.fail("%s %q is not UTC with six decimals and Z", name, s)
		}
	}
}

// json compares another JSON body; members that hold tokens must hold some.
func (c *checker) json(want *Want) {
	c.mediaType("application/json")
	wanted, err := names(want.JSON)
	got, err2 := names(c.got.Body)
	if err != nil || err2 != nil || !slices.Equal(got, wanted) {
		c.fail("members %v (%v), want %v", got, err2, wanted)
		return
	}
	var left, right map[string]any
	_ = json.Unmarshal(want.JSON, &left) // both are objects: names said so
	_ = json.Unmarshal(c.got.Body, &right)
	for _, name := range wanted {
		if slices.Contains(want.Tokens, name) {
			if token, _ := right[name].(string); strings.Count(token, ".") != 2 {
				c.fail("%s is not a token", name)
			}
			continue
		}
		l, _ := json.Marshal(left[name])
		r, _ := json.Marshal(right[name])
		if string(l) != string(r) {
			c.fail("%s is %s, want %s", name, r, l)
		}
	}
}

// names are the names of an object's members, in order.
func names(text []byte) ([]string, error) {
	d := jsontext.NewDecoder(strings.NewReader(string(text)))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, fmt.Errorf("not an object: %v", err)
	}
	list := []string{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return list, err
		}
		list = append(list, name.String())
		if err := d.SkipValue(); err != nil {
			return list, err
		}
	}
	return list, nil
}
