package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGenerateKey_MakesTwoHalvesOfOneKey(t *testing.T) {
	private, public, err := GenerateKey(4096)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	half, err := ParsePublicKey(public)
	if err != nil || !key.PublicKey.Equal(half) || half.N.BitLen() != 4096 {
		t.Errorf("%v", err)
	}
}

func TestGenerateKey_RefusesOtherSizes(t *testing.T) {
	for _, bits := range []int{-1, 0, 512, 1024, 2047, 3072, 8192} {
		if _, _, err := GenerateKey(bits); !errors.Is(err, ErrKeyBits) {
			t.Errorf("%d: %v", bits, err)
		}
	}
}

func TestLabelPrivateKey_IsTheVendorsLine(t *testing.T) {
	want := "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajk1>\n-----BEGIN"
	if got := LabelPrivateKey("ajk1", "-----BEGIN"); got != want {
		t.Errorf("%q", got)
	}
}

// publicPEM encodes whatever key it is given.
func publicPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("PUBLIC KEY", der)
}

// oddNumber has exactly so many bits.
func oddNumber(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1)
}

func TestParsePublicKey_RefusesOtherKeys(t *testing.T) {
	f := key1()
	private := privateOf(t, f)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	block, _ := pem.Decode([]byte(f.PublicKey))
	block.Headers = map[string]string{"Proc-Type": "4,ENCRYPTED"}
	for name, text := range map[string]string{
		"empty":        "",
		"no PEM":       "ssh-rsa AAAA",
		"private half": f.PrivateKey,
		"PKCS #1":      pemText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&private.PublicKey)),
		"wrong type":   strings.ReplaceAll(f.PublicKey, "PUBLIC KEY", "CERTIFICATE"),
		"garbage":      pemText("PUBLIC KEY", []byte("garbage")),
		"two keys":     f.PublicKey + key2().PublicKey,
		"text after":   f.PublicKey + "x",
		"headers":      string(pem.EncodeToMemory(block)),
		"too long":     strings.Repeat(" ", 16<<10) + f.PublicKey,
		"elliptic":     publicPEM(t, &curve.PublicKey),
		"2047 bits":    publicPEM(t, &rsa.PublicKey{N: oddNumber(2047), E: 65537}),
		"4097 bits":    publicPEM(t, &rsa.PublicKey{N: oddNumber(4097), E: 65537}),
		"even":         publicPEM(t, &rsa.PublicKey{N: even, E: 65537}),
		"exponent 1":   publicPEM(t, &rsa.PublicKey{N: private.N, E: 1}),
		"exponent 3":   publicPEM(t, &rsa.PublicKey{N: private.N, E: 3}),
		"exponent 2^x": publicPEM(t, &rsa.PublicKey{N: private.N, E: 1 << 20}),
	} {
		if key, err := ParsePublicKey(text); !errors.Is(err, ErrPublicKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	if _, err := ParsePublicKey("a line before\n" + f.PublicKey + "\n\n"); err != nil {
		t.Error(err)
	}
}

func TestKeyFile_HasTheVendorsForm(t *testing.T) {
	f := key1()
	var got map[string]string
	if err := json.Unmarshal(f.Marshal(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"id":                 f.ID,
		"service_account_id": f.ServiceAccountID,
		"created_at":         "2026-03-14T15:09:26Z",
		"key_algorithm":      "RSA_2048",
		"public_key":         f.PublicKey,
		"private_key":        LabelPrivateKey(f.ID, f.PrivateKey),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if line := "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <" + f.ID + ">"; strings.Count(string(f.Marshal()), line) != 1 {
		t.Error("scanners for leaked keys would not find it")
	}
}

func TestParseKeyFile_ReadsWhatMarshalWrote(t *testing.T) {
	f := key1()
	got, err := ParseKeyFile(f.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	want := *f
	want.PrivateKey = LabelPrivateKey(f.ID, f.PrivateKey)
	if *got != want {
		t.Errorf("%v", got)
	}
	if string(got.Marshal()) != string(f.Marshal()) {
		t.Error("written twice it differs")
	}
	if _, err := got.Assertion(now, ownAudience); err != nil {
		t.Error(err)
	}
}

func TestParseKeyFile_NeedsNoMoreThanASignatureTakes(t *testing.T) {
	f := key1()
	text, err := json.Marshal(object{"id": "a", "service_account_id": "b", "private_key": f.PrivateKey, "unknown": 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseKeyFile(text); err != nil || got.ID != "a" || !got.CreatedAt.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
}

func TestParseKeyFile_RefusesOtherFiles(t *testing.T) {
	f := key1()
	var good object
	if err := json.Unmarshal(f.Marshal(), &good); err != nil {
		t.Fatal(err)
	}
	half := f.PrivateKey[:len(f.PrivateKey)/2]
	for name, changes := range map[string]object{
		"no id":             {"id": nil},
		"no account":        {"service_account_id": ""},
		"no private key":    {"private_key": nil},
		"half a key":        {"private_key": half},
		"public as private": {"private_key": f.PublicKey},
		"no PEM":            {"private_key": "PRIVATE"},
		"another's public":  {"public_key": key2().PublicKey},
		"broken public":     {"public_key": "x"},
		"no time":           {"created_at": "yesterday"},
		"number as key":     {"private_key": 12345678},
		"too long":          {"description": strings.Repeat("x", 64<<10)},
	} {
		text, err := json.Marshal(good.with(changes))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseKeyFile(text)
		if !errors.Is(err, ErrKeyFile) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		} else if len(err.Error()) > 200 || strings.Contains(err.Error(), half[40:60]) || strings.Contains(err.Error(), "12345678") {
			t.Errorf("%s: the error repeats what it read: %v", name, err)
		}
	}
	for _, text := range []string{"", "null", "[]", "{", `"x"`, f.PrivateKey} {
		if _, err := ParseKeyFile([]byte(text)); !errors.Is(err, ErrKeyFile) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestKeyFile_AssertionNeedsAPrivateKey(t *testing.T) {
	f := *key1()
	f.PrivateKey = f.PublicKey
	if text, err := f.Assertion(now, ownAudience); !errors.Is(err, ErrPrivateKey) || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}
