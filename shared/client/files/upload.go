package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"joboutputs/shared/client"
)

// uploadState is what an upload that broke off leaves beside its file.
type uploadState struct {
	Server   string    `json:"server"`
	Job      int64     `json:"job"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Upload   string    `json:"upload"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// UploadState is the file that remembers the upload of path while it is under way.
func UploadState(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".joboutputs-upload")
}

// Upload adds the file as an output: u without its source, size, Resume and Begun. An
// upload of the same file, unchanged, that broke off is resumed. server tells services
// apart, whose uploads have nothing to do with each other. warn is told when the upload
// can't be resumed, should it break off.
func Upload(ctx context.Context, c *client.Client, server, path string, u client.Upload, warn func(error)) (client.Added, error) {
	f, err := os.Open(path)
	if err != nil {
		return client.Added{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return client.Added{}, err
	}
	if !info.Mode().IsRegular() {
		return client.Added{}, fmt.Errorf("%s is not a regular file", path)
	}
	u.Source, u.Size = f, info.Size()
	state := uploadState{server, u.Job, u.Name, u.Type, "", info.Size(), info.ModTime()}
	at := UploadState(path)
	var left uploadState
	if u.Size > client.MaxAdd && readState(at, &left) {
		same := left
		same.Upload, same.Modified = "", state.Modified
		switch {
		case same == state && left.Modified.Equal(state.Modified):
			u.Resume = left.Upload
		case left.Server == server: // the file is another now, or goes elsewhere
			_ = c.AbortUpload(ctx, left.Job, left.Upload)
		}
	}
	u.Begun = func(id string) {
		state.Upload = id
		if err := writeState(at, state); err != nil && warn != nil {
			warn(err)
		}
	}
	added, err := c.Upload(ctx, u)
	if err == nil && u.Size > client.MaxAdd {
		err = errors.Join(remove(at))
	}
	return added, err
}
