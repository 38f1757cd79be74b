package cleanup_test

import (
	"testing"
	"time"

	"joboutputs/shared/cleanup"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
)

// TestLatePut sends content by a link after its output, or its upload, is gone, before and
// after cleanups of any patience: none of it stays, and no queue row either.
func TestLatePut(t *testing.T) {
	t.Parallel()
	type world struct {
		*storetest.Stores
		t    *testing.T
		link uploads.Part
	}
	const content = "0123456789"
	put := func(w *world) {
		if code, text := storetest.Put(w.t, w.link, []byte(content), nil); code != 200 && code != 412 {
			w.t.Errorf("a late PUT: %d %s", code, text)
		}
	}
	clean := func(grace time.Duration) func(w *world) {
		return func(w *world) {
			if _, err := w.Cleaner.Run(storetest.Acting(w.t), grace); err != nil {
				w.t.Errorf("cleanup: %v", err)
			}
		}
	}
	now, scheduled := clean(0), clean(table.Grace)
	wait := func(d time.Duration) func(w *world) { return func(w *world) { w.Clock.Advance(d) } }
	nearly := wait(table.Grace - time.Minute) // the PUT began with the last second of its link
	for end, gone := range map[string]func(t *testing.T, s *storetest.Stores, u uploads.Upload){
		"completed and hard-deleted": func(t *testing.T, s *storetest.Stores, u uploads.Upload) {
			s.Send(t, u, []byte(content))
			o := s.Complete(t, u)
			if _, err := s.Outputs.HardDelete(storetest.Acting(t), storetest.Alice, o.PK, ""); err != nil {
				t.Fatal(err)
			}
		},
		"aborted": func(t *testing.T, s *storetest.Stores, u uploads.Upload) {
			if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
		"sent and aborted": func(t *testing.T, s *storetest.Stores, u uploads.Upload) {
			s.Send(t, u, []byte(content))
			if _, err := s.Uploads.Abort(storetest.Acting(t), storetest.Alice, 1, u.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(_ *testing.T, s *storetest.Stores, _ uploads.Upload) { s.Clock.Advance(uploads.DefaultLife) },
	} {
		for order, steps := range map[string][]func(w *world){
			"put":                              {put},
			"put, cleanup":                     {put, now},
			"cleanup, put":                     {now, put},
			"cleanup, put, cleanup":            {now, put, now},
			"cleanup, cleanup, put":            {now, now, put},
			"put, cleanup, put, cleanup, put":  {put, now, put, now, put},
			"late":                             {nearly, put},
			"scheduled, late":                  {scheduled, nearly, scheduled, put},
			"cleanup, late":                    {now, nearly, put},
			"cleanup, late, cleanup, and then": {now, nearly, put, now, put},
		} {
			t.Run(end+"/"+order, func(t *testing.T) {
				t.Parallel()
				s := storetest.New(t)
				s.StartedJob(t, 1)
				u := s.Begin(t, storetest.NewUpload("n", len(content)))
				w := &world{s, t, s.Linked(t, u, []byte(content), 1)}
				gone(t, s, u)
				for _, step := range steps {
					step(w)
				}
				now(w)
				if got := s.Objects(t); got != 0 {
					t.Errorf("%d objects after a cleanup", got)
				}
				put(w)
				s.Clock.Advance(table.Grace)
				scheduled(w)
				if got := s.Objects(t); got != 0 {
					t.Errorf("%d objects after the last cleanup", got)
				}
				s.Cleaned(t, 0, cleanup.Counts{})
			})
		}
	}
}

// TestGrace: a PUT may begin with the last second of its link, and last an hour.
func TestGrace(t *testing.T) {
	if table.Grace < uploads.LinkLife+time.Hour {
		t.Errorf("the grace is %s", table.Grace)
	}
}
