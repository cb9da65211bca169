package credential

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func FuzzParseToken(f *testing.F) {
	key := newSigningKey(f)
	good := key.Sign(someClaims())
	f.Add(good)
	f.Add("t1..")
	f.Add("t1.AQ" + strings.Repeat("_", 40) + good[len(good)-87:])
	f.Add(good[:len(good)-1] + "=")
	f.Add(handmade(key, append(make([]byte, 17), 255, 255, 255)))
	f.Fuzz(func(t *testing.T, token string) {
		c, signed, signature, ok := parseToken(token)
		if !ok {
			return
		}
		if problem := c.problem(); problem != "" {
			t.Errorf("claims with %s", problem)
		}
		again := tokenPrefix + base64.RawURLEncoding.EncodeToString(c.encode())
		if again != signed || again+"."+base64.RawURLEncoding.EncodeToString(signature) != token {
			t.Errorf("%q has another spelling, %q", token, again)
		}
		if c, err := NewTokens(1).Verify(token, knows(key)); err == nil {
			if sure := key.Sign(c); sure != token {
				t.Errorf("%q was never signed", token)
			}
		}
	})
}

func FuzzVerifyAssertion(f *testing.F) {
	file := key1()
	keyOf := belongTo(f, file)
	good := makeJWT(f, file, goodHeader(file), goodPayload(file))
	f.Add(good)
	f.Add(strings.Replace(good, ".", ".e30.", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := VerifyAssertion(text, now, audiences, keyOf)
		if err == nil && text != good {
			t.Errorf("%q was never signed: %+v", text, got)
		}
		expectRefusal(t, err)
	})
}

// Header and payload are signed as they are, so that they are judged.
func FuzzVerifyAssertion_SignedClaims(f *testing.F) {
	file := key1()
	public, err := ParsePublicKey(file.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	keyOf := func(string) (*rsa.PublicKey, string, error) { return public, "aje1", nil }
	f.Add(`{"alg":"PS256","kid":"ajk1"}`, `{"iss":"aje1","aud":["`+ownAudience+`"],"iat":1773500966,"exp":1773504566}`)
	f.Add(`{"alg":"PS256","kid":"ajk1","crit":[]}`, `{"iss":"aje1","aud":"`+VendorAudience+`","iat":1773500966.5,"exp":1.7735e9}`)
	f.Add(`{"alg":"none"}`, `null`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		encode := base64.RawURLEncoding.EncodeToString
		text := signJWT(t, file, encode([]byte(header)), encode([]byte(payload)), 32)
		got, err := VerifyAssertion(text, now, audiences, keyOf)
		expectRefusal(t, err)
		if err != nil {
			return
		}
		latest := now.Add(MaxAssertionLife + MaxClockSkew).Unix()
		if got.AccountID != "aje1" || got.KeyID == "" || got.ExpiresAt < now.Unix() || got.ExpiresAt > latest {
			t.Errorf("%s %s: %+v", header, payload, got)
		}
		if !strings.Contains(header, "PS256") && !strings.Contains(header, `\u`) {
			t.Errorf("%s", header)
		}
	})
}

func expectRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *AssertionError
	if err != nil && err != errNoSuchKey && !errors.As(err, &refusal) {
		t.Errorf("%v is no refusal", err)
	}
}

func FuzzParseKeyFile(f *testing.F) {
	f.Add(key1().Marshal())
	f.Add([]byte(`{"id":"a","service_account_id":"b","created_at":"2026-03-14T15:09:26Z","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := ParseKeyFile(text)
		if err != nil {
			if !errors.Is(err, ErrKeyFile) || file != nil {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := ParseKeyFile(file.Marshal())
		if err != nil || again.ID != file.ID || !again.CreatedAt.Equal(file.CreatedAt) {
			t.Errorf("%v: %v", file, err)
		}
		if _, err := file.Assertion(now, ownAudience); err != nil {
			t.Error(err)
		}
	})
}
