package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

const (
	keyPrefix = "pk1_"
	keyBytes  = 32  // of randomness in a key
	maxKeyLen = 256 // a longer text is no key
	maxKeys   = 1024
)

// newKey makes a key.
func newKey() string {
	var random [keyBytes]byte
	rand.Read(random[:]) // never fails
	return keyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
}

// keyLine is the line of a keys file for a key.
func keyLine(name, key string) string {
	sum := sha256.Sum256([]byte(key))
	return name + " " + hex.EncodeToString(sum[:])
}

// keyName is what a key may be called.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func checkKeyName(name string) error {
	if !keyName.MatchString(name) || name == "anonymous" {
		return fmt.Errorf("%q cannot name a key: a name is 1 to 64 letters, digits, '.', '_', '@' and '-', and not \"anonymous\"", name)
	}
	return nil
}

// A keyTable knows whose a key is. It holds no keys, only their hashes. As these
// are of 256 random bits, no slow hash is needed.
type keyTable struct {
	hashes [][4]uint64
	names  []string // of hashes; a name may have several keys
}

// followKeys reads a keys file.
func followKeys(log *slog.Logger, file string) (*followed[keyTable], error) {
	return follow(log, func(contents [][]byte) (*keyTable, error) { return parseKeys(contents[0], file) }, file)
}

// parseKeys reads lines of a name and a hash. Blank lines and what follows "#"
// do not count.
func parseKeys(data []byte, file string) (*keyTable, error) {
	t := &keyTable{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		wrong := func(what string) error {
			return fmt.Errorf("%s:%d: %s; a line is written NAME HASH, as \"pemba key new NAME\" prints it", file, n, what)
		}
		if len(fields) != 2 {
			return nil, wrong(fmt.Sprintf("%d words", len(fields)))
		}
		if err := checkKeyName(fields[0]); err != nil {
			return nil, wrong(err.Error())
		}
		sum, err := hex.DecodeString(fields[1])
		if err != nil || len(sum) != sha256.Size {
			return nil, wrong("the second word is no SHA-256 in hexadecimal")
		}
		hash := words([sha256.Size]byte(sum))
		if slices.Contains(t.hashes, hash) {
			return nil, wrong("the same key twice")
		}
		t.hashes, t.names = append(t.hashes, hash), append(t.names, fields[0])
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	switch {
	case len(t.names) == 0:
		return nil, fmt.Errorf("%s holds no key, so nobody could connect; \"pemba key new NAME --keys-file %s\" adds one", file, file)
	case len(t.names) > maxKeys:
		return nil, fmt.Errorf("%s holds %d keys, at most %d", file, len(t.names), maxKeys)
	}
	return t, nil
}

func words(sum [sha256.Size]byte) (w [4]uint64) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(sum[8*i:])
	}
	return w
}

// name returns whose key is. Which key it is, and how much of one is right,
// changes nothing about how long that takes: all hashes are compared, without a
// branch that depends on one.
func (t *keyTable) name(key string) (string, bool) {
	if len(key) > maxKeyLen {
		return "", false
	}
	var text [maxKeyLen]byte // keeps the conversion off the heap
	asked := words(sha256.Sum256(text[:copy(text[:], key)]))
	found := uint64(0) // index of the equal one, plus 1
	for i := range t.hashes {
		h := &t.hashes[i]
		differ := h[0] ^ asked[0] | h[1] ^ asked[1] | h[2] ^ asked[2] | h[3] ^ asked[3]
		equal := (differ|-differ)>>63 ^ 1
		found |= -equal & uint64(i+1)
	}
	if found == 0 {
		return "", false
	}
	return t.names[found-1], true
}
