package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// wholeFile is a file that is there once all of it is: it is written beside its
// place and moved there.
type wholeFile struct {
	*os.File
	name string
}

// newWholeFile begins a file. The caller commits or discards it.
func newWholeFile(name string) (*wholeFile, error) {
	temp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, rootCause(err))
	}
	return &wholeFile{temp, name}, nil
}

// Commit puts the file in its place, on the disk.
func (f *wholeFile) Commit() error {
	err := f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.File.Name(), f.name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, rootCause(err))
	}
	return nil
}

// Discard removes what was written, unless it was committed.
func (f *wholeFile) Discard() {
	f.Close()
	os.Remove(f.File.Name())
}
