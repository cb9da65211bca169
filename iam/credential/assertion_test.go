package credential

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const ownAudience = "https://pemba.example/iam/v1/tokens"

var audiences = []string{ownAudience, VendorAudience}

var errNoSuchKey = errors.New("no such key")

// belongTo is a keyOf that knows these keys.
func belongTo(t testing.TB, files ...*KeyFile) func(string) (*rsa.PublicKey, string, error) {
	t.Helper()
	known := make(map[string]*rsa.PublicKey)
	account := make(map[string]string)
	for _, f := range files {
		public, err := ParsePublicKey(f.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		known[f.ID], account[f.ID] = public, f.ServiceAccountID
	}
	return func(kid string) (*rsa.PublicKey, string, error) {
		if known[kid] == nil {
			return nil, "", errNoSuchKey
		}
		return known[kid], account[kid], nil
	}
}

// neverAsked is a keyOf for what is refused before any key is looked at.
func neverAsked(t *testing.T) func(string) (*rsa.PublicKey, string, error) {
	return func(kid string) (*rsa.PublicKey, string, error) {
		t.Errorf("key %q was asked for", kid)
		return nil, "", errNoSuchKey
	}
}

type object map[string]any

// with returns o with some members changed; nil leaves one out.
func (o object) with(changes object) object {
	o = maps.Clone(o)
	for name, value := range changes {
		o[name] = value
		if value == nil {
			delete(o, name)
		}
	}
	return o
}

func goodHeader(f *KeyFile) object { return object{"typ": "JWT", "alg": "PS256", "kid": f.ID} }

func goodPayload(f *KeyFile) object {
	return object{
		"iss": f.ServiceAccountID,
		"aud": []string{VendorAudience},
		"iat": now.Unix(),
		"exp": now.Add(time.Hour).Unix(),
	}
}

func segment(t testing.TB, o object) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signJWT signs any header and payload with the key of f, by PSS with this salt.
func signJWT(t testing.TB, f *KeyFile, header, payload string, salt int) string {
	t.Helper()
	text := header + "." + payload
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, privateOf(t, f), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func makeJWT(t testing.TB, f *KeyFile, header, payload object) string {
	t.Helper()
	return signJWT(t, f, segment(t, header), segment(t, payload), rsa.PSSSaltLengthEqualsHash)
}

// refusedFor says that err is a refusal for this header or claim.
func refusedFor(t *testing.T, name, field string, got Assertion, err error) {
	t.Helper()
	var refusal *AssertionError
	if !errors.As(err, &refusal) || refusal.Field != field || got != (Assertion{}) {
		t.Errorf("%s: %+v, %v; want a refusal for %q", name, got, err, field)
	} else if len(refusal.Text) > 200 {
		t.Errorf("%s: a text of %d bytes", name, len(refusal.Text))
	}
}

func TestVerifyAssertion_ReturnsKeyAndAccount(t *testing.T) {
	f := key1()
	want := Assertion{KeyID: f.ID, AccountID: f.ServiceAccountID, ExpiresAt: now.Add(time.Hour).Unix()}
	own, err := f.Assertion(now, ownAudience)
	if err != nil {
		t.Fatal(err)
	}
	good, header := goodPayload(f), goodHeader(f)
	for name, text := range map[string]string{
		"made by the key file": own,
		"audience in an array": makeJWT(t, f, header, good),
		"audience alone":       makeJWT(t, f, header, good.with(object{"aud": ownAudience})),
		"among other audience": makeJWT(t, f, header, good.with(object{"aud": []string{"x", ownAudience}})),
		"other claims":         makeJWT(t, f, header, good.with(object{"sub": 1, "jti": true, "nbf": now.Unix()})),
		"no type":              makeJWT(t, f, header.with(object{"typ": nil}), good),
		"clock ahead":          makeJWT(t, f, header, good.with(object{"iat": now.Unix() + 60})),
		"made by python":       makeJWT(t, f, header, good.with(object{"iat": float64(now.Unix()) + 0.25, "exp": float64(now.Unix()) + 3600.25})),
	} {
		got, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestVerifyAssertion_AcceptsAnySalt(t *testing.T) {
	f := key1()
	for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, rsa.PSSSaltLengthAuto, 1, 20, 64} {
		text := signJWT(t, f, segment(t, goodHeader(f)), segment(t, goodPayload(f)), salt)
		if _, err := VerifyAssertion(text, now, audiences, belongTo(t, f)); err != nil {
			t.Errorf("salt %d: %v", salt, err)
		}
	}
}

func TestVerifyAssertion_RefusesOtherAlgorithms(t *testing.T) {
	f := key1()
	payload := segment(t, goodPayload(f))
	sum := func(header string) []byte {
		s := sha256.Sum256([]byte(header + "." + payload))
		return s[:]
	}
	headerOf := func(alg any) string { return segment(t, goodHeader(f).with(object{"alg": alg})) }
	join := func(header string, signature []byte) string {
		return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	rs256, err := rsa.SignPKCS1v15(nil, privateOf(t, f), crypto.SHA256, sum(headerOf("RS256")))
	if err != nil {
		t.Fatal(err)
	}
	hs256 := hmac.New(sha256.New, []byte(f.PublicKey)) // the classic: the public key as the secret
	hs256.Write([]byte(headerOf("HS256") + "." + payload))
	pss := signJWT(t, f, headerOf("PS256"), payload, 32)
	signature := pss[strings.LastIndexByte(pss, '.')+1:]
	for name, text := range map[string]string{
		"none":              join(headerOf("none"), nil),
		"none, signed":      headerOf("none") + "." + payload + "." + signature,
		"None":              join(headerOf("None"), nil),
		"NONE":              join(headerOf("NONE"), nil),
		"RS256":             join(headerOf("RS256"), rs256),
		"HS256":             join(headerOf("HS256"), hs256.Sum(nil)),
		"PS384":             headerOf("PS384") + "." + payload + "." + signature,
		"PS512":             headerOf("PS512") + "." + payload + "." + signature,
		"ES256":             headerOf("ES256") + "." + payload + "." + signature,
		"EdDSA":             headerOf("EdDSA") + "." + payload + "." + signature,
		"ps256":             headerOf("ps256") + "." + payload + "." + signature,
		"empty":             headerOf("") + "." + payload + "." + signature,
		"left out":          headerOf(nil) + "." + payload + "." + signature,
		"an array":          headerOf([]string{"PS256"}) + "." + payload + "." + signature,
		"a number":          headerOf(256) + "." + payload + "." + signature,
		"a header of none":  base64.RawURLEncoding.EncodeToString([]byte("null")) + "." + payload + "." + signature,
		"longer than texts": headerOf(strings.Repeat("x", 3000)) + "." + payload + "." + signature,
	} {
		got, err := VerifyAssertion(text, now, audiences, neverAsked(t))
		refusedFor(t, name, "alg", got, err)
	}
}

func TestVerifyAssertion_RefusesForgedSignatures(t *testing.T) {
	f, foreign := key1(), key2()
	header, payload := segment(t, goodHeader(f)), segment(t, goodPayload(f))
	good := signJWT(t, f, header, payload, 32)
	signature := good[strings.LastIndexByte(good, '.')+1:]
	rs256, err := rsa.SignPKCS1v15(nil, privateOf(t, f), crypto.SHA256, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	longer := segment(t, goodPayload(f).with(object{"exp": now.Add(time.Hour - time.Second).Unix()}))
	for name, text := range map[string]string{
		"of a foreign key":       signJWT(t, foreign, header, payload, 32),
		"of another payload":     header + "." + longer + "." + signature,
		"of another header":      segment(t, goodHeader(f).with(object{"typ": "jwt"})) + "." + payload + "." + signature,
		"by PKCS #1 v1.5":        header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(rs256),
		"of no bytes":            header + "." + payload + ".",
		"of zeros":               header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256)),
		"a byte short":           header + "." + payload + "." + signature[:len(signature)-2],
		"of a foreign account's": makeJWT(t, foreign, goodHeader(f), goodPayload(foreign)),
	} {
		got, err := VerifyAssertion(text, now, audiences, belongTo(t, f, foreign))
		refusedFor(t, name, "signature", got, err)
	}
}

func TestVerifyAssertion_RefusesClaims(t *testing.T) {
	f, foreign := key1(), key2()
	at := now.Unix()
	for _, c := range []struct {
		name, field string
		changes     object
	}{
		{"no issuer", "iss", object{"iss": nil}},
		{"another account", "iss", object{"iss": foreign.ServiceAccountID}},
		{"the key as issuer", "iss", object{"iss": f.ID}},
		{"no audience", "aud", object{"aud": nil}},
		{"empty audience", "aud", object{"aud": []string{}}},
		{"wrong audience", "aud", object{"aud": "https://iam.api.example/iam/v1/tokens"}},
		{"wrong audiences", "aud", object{"aud": []string{"a", VendorAudience + "/", "", strings.Repeat("x", 3000)}}},
		{"no issue", "iat", object{"iat": nil}},
		{"issue in the future", "iat", object{"iat": at + 61, "exp": at + 70}},
		{"no expiry", "exp", object{"exp": nil}},
		{"expired this second", "exp", object{"iat": at - 10, "exp": at}},
		{"expired long ago", "exp", object{"iat": 0, "exp": 10}},
		{"a second too long", "exp", object{"exp": at + 3601}},
		{"half a second too long", "exp", object{"exp": float64(at) + 3600.5}},
		{"old and too long", "exp", object{"iat": at - 3000, "exp": at + 601}},
		{"before its issue", "exp", object{"iat": at + 50, "exp": at + 40}},
		{"not yet", "nbf", object{"nbf": at + 61}},
		{"negative", "jwt", object{"iat": -1}},
		{"endless", "jwt", object{"exp": 1e300, "iat": 1e300}},
		{"text as time", "jwt", object{"exp": "1700000000"}},
		{"a list as issuer", "jwt", object{"iss": []string{f.ServiceAccountID}}},
		{"a number as audience", "jwt", object{"aud": 1}},
		{"a number among audiences", "jwt", object{"aud": []any{VendorAudience, 1}}},
	} {
		text := makeJWT(t, f, goodHeader(f), goodPayload(f).with(c.changes))
		got, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
		refusedFor(t, c.name, c.field, got, err)
	}
}

func TestVerifyAssertion_NeedsAnAudienceOfTheServer(t *testing.T) {
	f := key1()
	text := makeJWT(t, f, goodHeader(f), goodPayload(f).with(object{"aud": []string{""}}))
	got, err := VerifyAssertion(text, now, nil, belongTo(t, f))
	refusedFor(t, "none", "aud", got, err)
}

func TestVerifyAssertion_NamesTheMissingKeyID(t *testing.T) {
	f := key1()
	for _, kid := range []any{nil, "", 5, []string{f.ID}} {
		text := makeJWT(t, f, goodHeader(f).with(object{"kid": kid}), goodPayload(f))
		got, err := VerifyAssertion(text, now, audiences, neverAsked(t))
		refusedFor(t, "kid", "kid", got, err)
		if want := "The required field 'kid' is missing from the JWT header"; err.Error() != want {
			t.Errorf("%v", err)
		}
	}
}

func TestVerifyAssertion_RefusesCriticalExtensions(t *testing.T) {
	f := key1()
	text := makeJWT(t, f, goodHeader(f).with(object{"crit": []string{"exp"}}), goodPayload(f))
	got, err := VerifyAssertion(text, now, audiences, neverAsked(t))
	refusedFor(t, "crit", "crit", got, err)
}

func TestVerifyAssertion_IgnoresKeysInTheHeader(t *testing.T) {
	f, foreign := key1(), key2()
	header := goodHeader(f).with(object{"jwk": object{"kty": "RSA"}, "jku": "https://example", "x5c": []string{"x"}})
	text := makeJWT(t, foreign, header, goodPayload(f))
	got, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
	refusedFor(t, "foreign", "signature", got, err)
}

func TestVerifyAssertion_ReturnsTheErrorOfTheLookup(t *testing.T) {
	f := key1()
	text := makeJWT(t, f, goodHeader(f), goodPayload(f))
	if _, err := VerifyAssertion(text, now, audiences, belongTo(t)); err != errNoSuchKey {
		t.Error(err)
	}
	nothing := func(string) (*rsa.PublicKey, string, error) { return nil, "", nil }
	got, err := VerifyAssertion(text, now, audiences, nothing)
	refusedFor(t, "nothing", "kid", got, err)
}

func TestVerifyAssertion_RefusesWhatIsNoJWT(t *testing.T) {
	f := key1()
	good := makeJWT(t, f, goodHeader(f), goodPayload(f))
	parts := strings.Split(good, ".")
	array := base64.RawURLEncoding.EncodeToString([]byte("[]"))
	for name, text := range map[string]string{
		"empty":           "",
		"dots":            "..",
		"two parts":       parts[0] + "." + parts[1],
		"four parts":      good + ".x",
		"five parts":      good + ".x.x",
		"padded":          parts[0] + "=." + parts[1] + "." + parts[2],
		"padded, last":    good + "==",
		"a line end":      good + "\n",
		"a line inside":   good[:10] + "\n" + good[10:],
		"blank before":    " " + good,
		"header no JSON":  "e30A." + parts[1] + "." + parts[2],
		"header an array": array + "." + parts[1] + "." + parts[2],
		"payload no JSON": parts[0] + ".e30A." + parts[2],
		"payload array":   parts[0] + "." + array + "." + parts[2],
		"an IAM token":    newSigningKey(t).Sign(someClaims()),
		"too long":        strings.Repeat("a", MaxAssertionLen+1),
	} {
		got, err := VerifyAssertion(text, now, audiences, neverAsked(t))
		refusedFor(t, name, "jwt", got, err)
	}
}

func TestVerifyAssertion_RefusesUnusedBits(t *testing.T) {
	f := key1()
	good := makeJWT(t, f, goodHeader(f), goodPayload(f))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	// 256 bytes are 341 letters and 2 bits: four bits of the last are not used.
	for bits := 1; bits < 16; bits++ {
		text := good[:len(good)-1] + string(alphabet[last^bits])
		got, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
		refusedFor(t, "bits", "jwt", got, err)
	}
}

func TestVerifyAssertion_RefusesPayloadsWithoutClaims(t *testing.T) {
	f := key1()
	for _, payload := range []string{"null", "{}"} {
		raw := base64.RawURLEncoding.EncodeToString([]byte(payload))
		text := signJWT(t, f, segment(t, goodHeader(f)), raw, 32)
		got, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
		refusedFor(t, payload, "iss", got, err)
	}
}

// What is said last of two members counts, and what counts is judged.
func TestVerifyAssertion_JudgesTheClaimThatCounts(t *testing.T) {
	f := key1()
	payload := segmentText(t, goodPayload(f))
	twice := strings.TrimSuffix(payload, "}") + `,"exp":99999999999}`
	raw := base64.RawURLEncoding.EncodeToString([]byte(twice))
	text := signJWT(t, f, segment(t, goodHeader(f)), raw, 32)
	_, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
	if err == nil {
		t.Error("accepted")
	}
}

func segmentText(t testing.TB, o object) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(segment(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAssertionErrors_RepeatNothingOfTheJWT(t *testing.T) {
	f := key1()
	text := makeJWT(t, f, goodHeader(f), goodPayload(f).with(object{"aud": "AUDIENCE", "iss": f.ServiceAccountID}))
	parts := strings.Split(text, ".")
	texts := []string{text, parts[0] + "." + parts[1] + ".AAAA", parts[0] + ".AAAA." + parts[2], text[:50]}
	for _, text := range texts {
		_, err := VerifyAssertion(text, now, audiences, belongTo(t, f))
		if err == nil || slices.ContainsFunc(append(parts, "AUDIENCE", f.ServiceAccountID), func(part string) bool {
			return strings.Contains(err.Error(), part)
		}) {
			t.Errorf("%v", err)
		}
	}
}
