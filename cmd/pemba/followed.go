package main

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// followEvery is how often followed files are looked at.
const followEvery = 2 * time.Second

// A followed is what some files say, read anew when they change. Files that
// cannot be read or understood change nothing but the log, so that a half
// written file locks nobody out. One goroutine refreshes, any number use it.
type followed[T any] struct {
	files []string // "" = left out; its content is nil
	parse func(contents [][]byte) (*T, error)
	log   *slog.Logger
	seen  [][]byte // by the last attempt; only refresh and follow use it
	why   string   // the last attempt failed, "" = it did not; only refresh uses it
	value atomic.Pointer[T]
}

// follow reads the files for the first time.
func follow[T any](log *slog.Logger, parse func([][]byte) (*T, error), files ...string) (*followed[T], error) {
	f := &followed[T]{files: files, parse: parse, log: log}
	contents, err := f.read()
	if err != nil {
		return nil, err
	}
	value, err := parse(contents)
	if err != nil {
		return nil, err
	}
	f.seen = contents
	f.value.Store(value)
	return f, nil
}

// now returns what the files say.
func (f *followed[T]) now() *T { return f.value.Load() }

// refresh reads the files again. It compares contents, not times, so that it
// sees what has changed however that was done.
func (f *followed[T]) refresh() {
	contents, err := f.read()
	if err == nil {
		if equalContents(contents, f.seen) {
			return
		}
		var value *T
		if value, err = f.parse(contents); err == nil {
			f.value.Store(value)
			f.log.Info("files were read anew", "files", f.files)
		}
		f.seen = contents
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != "" && why != f.why {
		f.log.Error("files cannot be used; what they said before holds", "files", f.files, "err", err)
	}
	f.why = why
}

func (f *followed[T]) read() ([][]byte, error) {
	contents := make([][]byte, len(f.files))
	for i, name := range f.files {
		if name == "" {
			continue
		}
		data, err := readAll(name)
		if err != nil {
			return nil, err
		}
		contents[i] = data
	}
	return contents, nil
}

func equalContents(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// refreshEvery calls refresh every so often, until ctx ends.
func refreshEvery(ctx context.Context, every time.Duration, refresh func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			refresh()
		}
	}
}
