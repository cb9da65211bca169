package credential

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someClaims() *Claims {
	return &Claims{
		ID:               "tok00000000000000001",
		SubjectType:      "serviceAccount",
		SubjectID:        "aje00000000000000001",
		KeyID:            "ajk00000000000000001",
		ImpersonatorType: "userAccount",
		ImpersonatorID:   "aju00000000000000001",
		IssuedAt:         now.Unix(),
		ExpiresAt:        now.Add(MaxTokenLife).Unix(),
	}
}

// handmade signs any payload, as a broken version of the program might.
func handmade(k *SigningKey, raw []byte) string {
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private(), []byte(text)))
}

func TestSign_HasTheFormOfTheCloudsTokens(t *testing.T) {
	form := regexp.MustCompile(`^t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{86}={0,2}$`)
	token := newSigningKey(t).Sign(someClaims())
	if !form.MatchString(token) || len(token) > 300 {
		t.Errorf("%d bytes: %s", len(token), token)
	}
}

func TestSign_StaysTheSame(t *testing.T) {
	key, err := NewSigningKey(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := key.Sign(someClaims()), "t1.AQAAAABptXomAAAAAGm2IuYQRTU0NVFPWkxWSkZ5SUlqWhR0b2swMDAwMDAwMDAwMDAwMDAwMQ5zZXJ2aWNlQWNjb3VudBRhamUwMDAwMDAwMDAwMDAwMDAwMRRhamsw"+
		"MDAwMDAwMDAwMDAwMDAwMQt1c2VyQWNjb3VudBRhanUwMDAwMDAwMDAwMDAwMDAwMQ.t2o0LvytRDb5YtGGq4X1h-yJOVv7nQA8Sqm30gwkH7pKkPXoeYCzQqz4g8BfFvQIv-nAnjzSj571g_wxi064CQ"; got != want {
		t.Errorf("\n%s, was\n%s: a cluster of two versions would refuse it", got, want)
	}
}

func TestVerify_ReturnsWhatWasSigned(t *testing.T) {
	key := newSigningKey(t)
	tokens := NewTokens(100)
	least := &Claims{ID: "i", SubjectType: "t", SubjectID: "s", IssuedAt: 0, ExpiresAt: 1}
	most := someClaims()
	most.SubjectID = strings.Repeat("ы", 127)
	most.ID, most.KeyID = strings.Repeat("x", MaxClaimLen), strings.Repeat("\x00", MaxClaimLen)
	for _, want := range []*Claims{someClaims(), least, most} {
		token := key.Sign(want)
		if want.SigningKeyID != "" {
			t.Error("Sign changed its argument")
		}
		for _, how := range []string{"cold", "remembered"} {
			got, err := tokens.Verify(token, knows(key))
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			signed := *want
			signed.SigningKeyID = key.ID
			if d := cmp.Diff(&signed, got); d != "" {
				t.Errorf("%s: %s", how, d)
			}
		}
	}
	if got, want := tokens.Stats(), (TokenStats{Verified: 3}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestVerify_DoesNotJudgeTime(t *testing.T) {
	key := newSigningKey(t)
	c := someClaims()
	c.IssuedAt, c.ExpiresAt = 1, 2
	got, err := NewTokens(1).Verify(key.Sign(c), knows(key))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Expired(time.Unix(2, 0)) || got.Expired(time.Unix(1, 999_999_999)) {
		t.Error("a token holds until the second that it names")
	}
}

func TestVerify_RefusesWhatIsNoToken(t *testing.T) {
	key := newSigningKey(t)
	good := key.Sign(someClaims())
	payload, signature := good[3:len(good)-87], good[len(good)-86:]
	for name, token := range map[string]string{
		"empty":             "",
		"prefix":            "t1.",
		"no payload":        "t1.." + signature,
		"no signature":      "t1." + payload + ".",
		"only payload":      "t1." + payload,
		"other prefix":      "t2." + payload + "." + signature,
		"upper prefix":      "T1." + payload + "." + signature,
		"no prefix":         payload + "." + signature,
		"bearer":            "Bearer " + good,
		"blank before":      " " + good,
		"blank after":       good + " ",
		"short signature":   good[:len(good)-1],
		"long signature":    good + "A",
		"third part":        good + "." + signature,
		"empty third part":  good + ".",
		"padded payload":    "t1." + payload + "=." + signature,
		"padded signature":  good + "==",
		"too long":          "t1." + strings.Repeat("A", MaxTokenLen) + "." + signature,
		"binary":            strings.Repeat("\xff", 200),
		"standard alphabet": "t1.++++." + signature,
		"jwt":               "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
	} {
		if got, err := NewTokens(1).Verify(token, knows(key)); !errors.Is(err, ErrTokenMalformed) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// The key signs all of these, so only their content speaks against them.
func TestVerify_RefusesOtherPayloads(t *testing.T) {
	key := newSigningKey(t)
	c := someClaims()
	c.SigningKeyID = key.ID
	good := c.encode()
	change := func(f func(c *Claims)) []byte {
		changed := *c
		f(&changed)
		return changed.encode()
	}
	for name, raw := range map[string][]byte{
		"other version":   append([]byte{2}, good[1:]...),
		"a byte more":     append(bytes.Clone(good), 0),
		"a text more":     append(bytes.Clone(good), 1, 'a'),
		"no subject":      change(func(c *Claims) { c.SubjectID = "" }),
		"no subject type": change(func(c *Claims) { c.SubjectType = "" }),
		"no id":           change(func(c *Claims) { c.ID = "" }),
		"half a helper":   change(func(c *Claims) { c.ImpersonatorType = "" }),
		"too long a life": change(func(c *Claims) { c.ExpiresAt++ }),
		"for ever":        change(func(c *Claims) { c.ExpiresAt = 1<<63 - 1 }),
		"no life":         change(func(c *Claims) { c.ExpiresAt = c.IssuedAt }),
		"negative":        change(func(c *Claims) { c.IssuedAt, c.ExpiresAt = -1<<63, 1<<63-1 }),
	} {
		if got, err := NewTokens(1).Verify(handmade(key, raw), knows(key)); !errors.Is(err, ErrTokenMalformed) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for n := range good {
		if _, err := NewTokens(1).Verify(handmade(key, good[:n]), knows(key)); !errors.Is(err, ErrTokenMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// Also beside the genuine token in the memory.
func TestVerify_RefusesEveryOtherSpelling(t *testing.T) {
	key := newSigningKey(t)
	tokens := NewTokens(100)
	good := key.Sign(someClaims())
	if _, err := tokens.Verify(good, knows(key)); err != nil {
		t.Fatal(err)
	}
	refused := func(name string, at int, token string) {
		if got, err := tokens.Verify(token, knows(key)); err == nil || got != nil {
			t.Errorf("%s at %d: %v", name, at, got)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range good {
		for _, letter := range []string{"\n", "\r", "=", " ", "A", "."} {
			refused("inserted", i, good[:i]+letter+good[i:])
			if letter != good[i:i+1] {
				refused("replaced", i, good[:i]+letter+good[i+1:])
			}
		}
		// The next letter differs in the last bit, which may be one that is not used.
		if at := strings.IndexByte(alphabet, good[i]); at >= 0 {
			refused("next letter", i, good[:i]+string(alphabet[at^1])+good[i+1:])
		}
		refused("left out", i, good[:i]+good[i+1:])
	}
	for _, letter := range alphabet { // four of its six bits are not used
		if token := good[:len(good)-1] + string(letter); token != good {
			refused("last letter", len(good)-1, token)
		}
	}
	if got, want := tokens.Stats().Verified, uint64(1); got != want {
		t.Errorf("%d tokens were found genuine", got)
	}
}

func TestVerify_RefusesTheSignatureOfAnotherKey(t *testing.T) {
	key, other := newSigningKey(t), newSigningKey(t)
	c := someClaims()
	c.SigningKeyID = key.ID
	_, err := NewTokens(1).Verify(handmade(other, c.encode()), knows(key, other))
	if !errors.Is(err, ErrTokenSignature) {
		t.Error(err)
	}
}

func TestVerify_RefusesTheSignatureOfAnotherToken(t *testing.T) {
	key := newSigningKey(t)
	a := key.Sign(someClaims())
	c := someClaims()
	c.SubjectID = "aje00000000000000002"
	b := key.Sign(c)
	_, err := NewTokens(1).Verify(b[:len(b)-86]+a[len(a)-86:], knows(key))
	if !errors.Is(err, ErrTokenSignature) {
		t.Error(err)
	}
}

func TestVerify_RefusesAnUnknownSigningKey(t *testing.T) {
	key, other := newSigningKey(t), newSigningKey(t)
	if _, err := NewTokens(1).Verify(key.Sign(someClaims()), knows(other)); !errors.Is(err, ErrTokenSigningKey) {
		t.Error(err)
	}
}

func TestVerify_RefusesRememberedTokensOfAForgottenKey(t *testing.T) {
	key := newSigningKey(t)
	tokens := NewTokens(8)
	token := key.Sign(someClaims())
	if _, err := tokens.Verify(token, knows(key)); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(token, knows()); !errors.Is(err, ErrTokenSigningKey) {
		t.Error(err)
	}
}

func TestVerify_RefusesRememberedTokensOfAReplacedKey(t *testing.T) {
	key, other := newSigningKey(t), newSigningKey(t)
	tokens := NewTokens(8)
	token := key.Sign(someClaims())
	if _, err := tokens.Verify(token, knows(key)); err != nil {
		t.Fatal(err)
	}
	replaced := func(string) (ed25519.PublicKey, bool) { return other.Public, true }
	if _, err := tokens.Verify(token, replaced); !errors.Is(err, ErrTokenSignature) {
		t.Error(err)
	}
}

func TestVerify_RefusesAKeyThatIsNone(t *testing.T) {
	key := newSigningKey(t)
	token := key.Sign(someClaims())
	for _, public := range []ed25519.PublicKey{nil, key.Public[:31], append(bytes.Clone(key.Public), 0)} {
		broken := func(string) (ed25519.PublicKey, bool) { return public, true }
		if _, err := NewTokens(8).Verify(token, broken); !errors.Is(err, ErrTokenSignature) {
			t.Errorf("%d bytes: %v", len(public), err)
		}
	}
}

func TestSign_PanicsOnClaimsOfNoToken(t *testing.T) {
	key := newSigningKey(t)
	for name, change := range map[string]func(c *Claims){
		"no id":              func(c *Claims) { c.ID = "" },
		"no subject":         func(c *Claims) { c.SubjectID = "" },
		"no subject's type":  func(c *Claims) { c.SubjectType = "" },
		"half impersonator":  func(c *Claims) { c.ImpersonatorID = "" },
		"long text":          func(c *Claims) { c.KeyID = strings.Repeat("x", MaxClaimLen+1) },
		"life":               func(c *Claims) { c.ExpiresAt++ },
		"expired when made":  func(c *Claims) { c.ExpiresAt = c.IssuedAt },
		"before all numbers": func(c *Claims) { c.IssuedAt = -1 },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: signed", name)
				}
			}()
			c := someClaims()
			change(c)
			key.Sign(c)
		}()
	}
}

func TestParseSigningKey_ReadsWhatMarshalPrivateWrote(t *testing.T) {
	key := newSigningKey(t)
	got, err := ParseSigningKey(key.MarshalPrivate())
	if err != nil || got.ID != key.ID || !got.Public.Equal(key.Public) || got.Sign(someClaims()) != key.Sign(someClaims()) {
		t.Errorf("%v, %v", got, err)
	}
	if got.ID != SigningKeyID(key.Public) {
		t.Errorf("id %s", got.ID)
	}
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := ParseSigningKey(make([]byte, n)); !errors.Is(err, ErrSigningKey) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestNewSigningKey_TellsWhenRandomEnds(t *testing.T) {
	if k, err := NewSigningKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error(k)
	}
	if _, err := NewSigningKey(nil); err != nil {
		t.Error(err)
	}
}
