package credential

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// now is when everything here happens.
var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// Two authorized keys, made once because making one takes long.
var (
	key1 = sync.OnceValue(newKeyFile)
	key2 = sync.OnceValue(newKeyFile)
)

func newKeyFile() *KeyFile {
	private, public, err := GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return &KeyFile{
		ID:               NewID("ajk"),
		ServiceAccountID: NewID("aje"),
		CreatedAt:        now,
		KeyAlgorithm:     "RSA_2048",
		PublicKey:        public,
		PrivateKey:       private,
	}
}

func privateOf(t testing.TB, f *KeyFile) *rsa.PrivateKey {
	t.Helper()
	key, err := parsePrivateKey(f.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSigningKey(t testing.TB) *SigningKey {
	t.Helper()
	key, err := NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// knows is a keyOf that knows these keys.
func knows(keys ...*SigningKey) func(string) (ed25519.PublicKey, bool) {
	known := make(map[string]ed25519.PublicKey)
	for _, k := range keys {
		known[k.ID] = k.Public
	}
	return func(id string) (ed25519.PublicKey, bool) {
		public, ok := known[id]
		return public, ok
	}
}

func TestNewID_HasPrefixAndRandomCharacters(t *testing.T) {
	form := regexp.MustCompile(`^aje[0-9a-v]{17}$`)
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID("aje")
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// wrapped holds secrets as other packages' values do.
type wrapped struct {
	Master, master *MasterKey
	Sign, sign     *SigningKey
	File           *KeyFile
}

func TestSecrets_AreNotPrinted(t *testing.T) {
	master, sign, file := NewMasterKey(), newSigningKey(t), key1()
	secrets := []string{
		master.Text(), fmt.Sprintf("%x", master.secret()), fmt.Sprint(master.secret())[1:20],
		fmt.Sprintf("%x", sign.MarshalPrivate()), fmt.Sprint(sign.MarshalPrivate())[1:20], strings.Split(file.PrivateKey, "\n")[3],
	}
	values := []any{
		master, *master, sign, *sign, file, *file,
		wrapped{master, master, sign, sign, file}, &wrapped{master, master, sign, sign, file},
		[]any{master, sign, file}, map[string]any{"k": *sign},
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	}
	for _, v := range []any{master, sign, file} {
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	for _, v := range []any{master, *master, sign, *sign} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	for i, secret := range secrets {
		if strings.Contains(out.String(), secret) {
			t.Errorf("secret %d is printed", i)
		}
	}
	if !strings.Contains(out.String(), sign.ID) || !strings.Contains(out.String(), master.Fingerprint()) {
		t.Error("keys are printed without their names")
	}
}
