package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// fixedMasterKey is always the same.
func fixedMasterKey(t testing.TB) *MasterKey {
	t.Helper()
	k, err := ParseMasterKey(strings.Repeat("5a", 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseMasterKey_ReadsEveryForm(t *testing.T) {
	k := NewMasterKey()
	secret := k.secret()
	for name, text := range map[string]string{
		"text":          k.Text(),
		"blanks around": " \t" + k.Text() + "\r\n",
		"unpadded":      strings.TrimRight(k.Text(), "="),
		"url alphabet":  base64.URLEncoding.EncodeToString(secret[:]),
		"hex":           hex.EncodeToString(secret[:]),
		"upper hex":     "\n" + strings.ToUpper(hex.EncodeToString(secret[:])),
	} {
		got, err := ParseMasterKey(text)
		if err != nil || got.secret() != secret || got.Fingerprint() != k.Fingerprint() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestParseMasterKey_RefusesOtherTexts(t *testing.T) {
	text := fixedMasterKey(t).Text()
	for name, text := range map[string]string{
		"empty":         "",
		"short":         base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"long":          base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"short hex":     strings.Repeat("a", 62),
		"no hex":        strings.Repeat("g", 64),
		"line inside":   text[:20] + "\n" + text[20:],
		"blank inside":  text[:20] + " " + text[20:],
		"padded twice":  text + "=",
		"trailing bits": text[:42] + "b=",
		"not base64":    strings.Repeat("!", 43),
	} {
		_, err := ParseMasterKey(text)
		if !errors.Is(err, ErrMasterKeyText) {
			t.Errorf("%s: %v", name, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats the text", name)
		}
	}
}

func TestFingerprint_StaysTheSame(t *testing.T) {
	if got, want := fixedMasterKey(t).Fingerprint(), "943d70f7d09c3fe3"; got != want {
		t.Errorf("%s, was %s: every cluster's state names the old one", got, want)
	}
}

func TestOpen_ReadsWhatOlderVersionsSealed(t *testing.T) {
	sealed, _ := hex.DecodeString("01943d70f7d09c3fe37b597716d425d85f232d959b2ae4e2e7109ae954130b0a15e8220177dc396031a6879ef8")
	got, err := fixedMasterKey(t).Open(sealed, "signing-key/1")
	if err != nil || string(got) != "a secret" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOpen_ReturnsWhatWasSealed(t *testing.T) {
	k := NewMasterKey()
	for _, plaintext := range []string{"", "x", strings.Repeat("secret ", 1000)} {
		sealed := k.Seal([]byte(plaintext), "context")
		got, err := k.Open(sealed, "context")
		if err != nil || string(got) != plaintext || len(sealed) != len(plaintext)+37 {
			t.Errorf("%d bytes: %d sealed, %d opened, %v", len(plaintext), len(sealed), len(got), err)
		}
	}
}

func TestSeal_IsNeverTheSameTwice(t *testing.T) {
	k := NewMasterKey()
	if bytes.Equal(k.Seal([]byte("secret"), "c"), k.Seal([]byte("secret"), "c")) {
		t.Error("the same")
	}
}

func TestOpen_RefusesAnotherContext(t *testing.T) {
	k := NewMasterKey()
	sealed := k.Seal([]byte("secret"), "signing-key/1")
	for _, context := range []string{"", "signing-key/2", "signing-key/11", "signing-key/"} {
		if _, err := k.Open(sealed, context); !errors.Is(err, ErrSealed) {
			t.Errorf("%q: %v", context, err)
		}
	}
}

func TestOpen_NamesTheOtherMasterKey(t *testing.T) {
	a, b := NewMasterKey(), NewMasterKey()
	sealed := a.Seal([]byte("secret"), "c")
	_, err := b.Open(sealed, "c")
	if !errors.Is(err, ErrOtherMasterKey) || !strings.Contains(err.Error(), a.Fingerprint()) || !strings.Contains(err.Error(), b.Fingerprint()) {
		t.Error(err)
	}
	if got, ok := SealedUnder(sealed); !ok || got != a.Fingerprint() {
		t.Errorf("sealed under %q, %v", got, ok)
	}
}

func TestOpen_RefusesWhatWasChanged(t *testing.T) {
	k := NewMasterKey()
	sealed := k.Seal([]byte("secret"), "c")
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := k.Open(changed, "c"); err == nil {
				t.Fatalf("byte %d bit %d", i, bit)
			}
		}
		if _, err := k.Open(sealed[:i], "c"); !errors.Is(err, ErrSealed) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	if _, err := k.Open(append(bytes.Clone(sealed), 0), "c"); !errors.Is(err, ErrSealed) {
		t.Errorf("longer: %v", err)
	}
}

func TestOpen_RefusesAnotherFingerprintPutOn(t *testing.T) {
	a, b := NewMasterKey(), NewMasterKey()
	sealed := a.Seal([]byte("secret"), "c")
	copy(sealed, b.header[:])
	if _, err := b.Open(sealed, "c"); !errors.Is(err, ErrSealed) {
		t.Error(err)
	}
}
