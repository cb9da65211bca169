package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func newKeyFileForTest(t *testing.T) *keyFile {
	t.Helper()
	f, err := newKeyFile(filepath.Join(t.TempDir(), "key.json"), 2048)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The server may have taken the key: without its private half nobody could use
// what was made.
func TestKeyFile_StaysWhenTheOutcomeIsUnknown(t *testing.T) {
	f := newKeyFileForTest(t)
	lost := &remoteError{addr: "here", status: status.New(codes.DeadlineExceeded, "no answer")}
	err := f.refused(&servers{doubt: true}, lost)
	var hint *hinted
	if !errors.As(err, &hint) || !hint.always {
		t.Errorf("%v", err)
	}
	left := halfDone(f.name)
	if left == nil || left.key.PrivateKey != f.key.PrivateKey || left.key.PublicKey != f.key.PublicKey || left.key.KeyAlgorithm != "RSA_2048" {
		t.Error("the key is lost")
	}
}

// An earlier attempt may have succeeded, whatever this one fails for.
func TestKeyFile_StaysWhenALaterAttemptIsRefused(t *testing.T) {
	f := halfDone(newKeyFileForTest(t).name)
	refusal := &remoteError{addr: "here", status: status.New(codes.Unauthenticated, "this server answers to those who have a key")}
	if err := f.refused(&servers{}, refusal); !errors.Is(err, refusal) || halfDone(f.name) == nil {
		t.Error(err)
	}
}

func TestKeyFile_GoesWhenTheServerRefuses(t *testing.T) {
	f := newKeyFileForTest(t)
	refusal := &remoteError{addr: "here", status: status.New(codes.FailedPrecondition, "there is an organization already")}
	if err := f.refused(&servers{}, refusal); !errors.Is(err, refusal) {
		t.Error(err)
	}
	if _, err := os.Stat(f.name); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestKeyFile_IsForItsOwnerOnly(t *testing.T) {
	f := newKeyFileForTest(t)
	f.key.ID, f.key.ServiceAccountID = "ajkkey", "ajeaccount"
	if err := f.complete(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(f.name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if halfDone(f.name) != nil {
		t.Error("a complete file counts as incomplete")
	}
	if _, err := newKeyFile(f.name, 2048); err == nil {
		t.Error("overwritten")
	}
}
