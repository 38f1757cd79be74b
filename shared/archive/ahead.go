package archive

import (
	"bytes"
	"io"
)

// Of small contents the way there takes longer than the reading, so some are under way at
// once. Together they take 2 MiB.
const (
	small  = 256 << 10 // bytes
	atOnce = 8
)

// ahead is open for an index that grows by one at each call. Contents that are small are
// opened and read before their turn.
func ahead(entries []Entry, open Opener) Opener {
	type result struct {
		content []byte
		err     error
	}
	results := map[int]chan result{}
	next := 0
	return func(i int) (io.ReadCloser, error) {
		for ; next < min(i+atOnce, len(entries)); next++ {
			if size := entries[next].Size; size == 0 || size > small {
				continue
			}
			done := make(chan result, 1) // nobody may come for it
			results[next] = done
			go func(i int) {
				content, err := whole(i, open)
				done <- result{content, err}
			}(next)
		}
		if done, ok := results[i]; ok {
			delete(results, i)
			r := <-done
			return io.NopCloser(bytes.NewReader(r.content)), r.err
		}
		if entries[i].Size == 0 {
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		return open(i)
	}
}

func whole(i int, open Opener) ([]byte, error) {
	content, err := open(i)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(io.LimitReader(content, small+1))
}
