package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckDataDir_RefusesWhatIsNotANodes(t *testing.T) {
	for _, c := range []struct {
		files string
		want  string // in the error, "" = none
	}{
		{"", ""},
		{"lost+found", ""},
		{"LOCK node.json.tmp", ""},
		{"LOCK node.json notes.txt", ""},
		{"raft.db snapshots", ""}, // the node says what is wrong
		{"notes.txt", "such as notes.txt"},
		{"LOCK src", "such as src"},
	} {
		dir := t.TempDir()
		for name := range strings.FieldsSeq(c.files) {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := checkDataDir(dir)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.files, err, c.want)
		}
	}
}

func TestServe_LeavesAForeignDirAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, said := pemba("", "serve", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--admin-addr", "off")
	if status != exitError || !strings.Contains(said, "thesis.txt") {
		t.Errorf("status %d, %s", status, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LOCK: %v", err)
	}
}
