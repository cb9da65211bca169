package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/pemba-authz/pemba/iam/credential"
)

// keyFile is a key file on its way: the key is written before the server hears of
// it, so that it cannot be lost; its ids, which the server gives, come after.
type keyFile struct {
	name string
	key  *credential.KeyFile
	old  bool // what an earlier attempt left
}

// halfKeyFile is what is in the file until it is complete.
type halfKeyFile struct {
	Incomplete bool   `json:"incomplete"`
	Algorithm  string `json:"key_algorithm"`
	PublicKey  string `json:"public_key"`
	PrivateKey string `json:"private_key"`
}

// newKeyFile makes a key and the file for it, which must not be there. Only its
// owner may read it.
func newKeyFile(name string, bits int) (*keyFile, error) {
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already and is not overwritten; name another file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, rootCause(err))
	}
	private, public, err := credential.GenerateKey(bits)
	f := &keyFile{name: name, key: &credential.KeyFile{KeyAlgorithm: fmt.Sprint("RSA_", bits), PublicKey: public, PrivateKey: private}}
	if err == nil {
		err = json.NewEncoder(out).Encode(halfKeyFile{true, f.key.KeyAlgorithm, public, private})
	}
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		f.discard()
		return nil, fmt.Errorf("write %s: %w", name, rootCause(err))
	}
	return f, nil
}

// halfDone returns the key file that an attempt has left of which nobody knows
// what became; nil = there is none.
func halfDone(name string) *keyFile {
	data, err := os.ReadFile(name)
	var half halfKeyFile
	if err != nil || json.Unmarshal(data, &half) != nil || !half.Incomplete {
		return nil
	}
	return &keyFile{name: name, old: true, key: &credential.KeyFile{KeyAlgorithm: half.Algorithm, PublicKey: half.PublicKey, PrivateKey: half.PrivateKey}}
}

// complete writes the file with the key's ids.
func (f *keyFile) complete() error {
	out, err := newWholeFile(f.name) // which only its owner may read
	if err != nil {
		return err
	}
	defer out.Discard()
	if _, err := out.Write(f.key.Marshal()); err != nil {
		return fmt.Errorf("write %s: %w", f.name, rootCause(err))
	}
	return out.Commit()
}

// discard removes the file of a key that no server knows.
func (f *keyFile) discard() { os.Remove(f.name) }
