package credential

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// VendorAudience is what the cloud's SDKs write into every assertion,
	// whatever server they talk to.
	VendorAudience = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
	// MaxAssertionLife is how long an assertion may hold.
	MaxAssertionLife = time.Hour
	// MaxAssertionLen is the longest assertion that is read, in bytes.
	MaxAssertionLen = 8000
	// MaxClockSkew is how far the clock of an assertion's author may be ahead.
	MaxClockSkew = time.Minute

	maxUnixSeconds = 1 << 36 // beyond every date, and exact as a float64
)

// An AssertionError says why an assertion is refused.
type AssertionError struct {
	Field string // header or claim that is at fault; "signature", or "jwt" for the whole
	Text  string // a sentence for the author of the assertion
}

func (e *AssertionError) Error() string { return e.Text }

// An Assertion is what the holder of an authorized key has proved: that he speaks
// for the account.
type Assertion struct {
	KeyID     string
	AccountID string
	ExpiresAt int64 // Unix seconds; of the assertion, not of what it is exchanged for
}

var assertionParser = jwt.NewParser(
	jwt.WithValidMethods([]string{jwt.SigningMethodPS256.Alg()}), // judged before keyOf is asked
	jwt.WithStrictDecoding(),
	jwt.WithoutClaimsValidation(), // judge does that
)

// VerifyAssertion judges a JWT that an authorized key has signed: PS256 and
// nothing else, issued by the account that the key kid belongs to, for one of
// audiences, for at most an hour around now. keyOf returns the public key and the
// account of a key id; its error comes back as it is, every refusal is an
// *AssertionError. Whether the account may get a token is not judged here.
func VerifyAssertion(text string, now time.Time, audiences []string,
	keyOf func(kid string) (*rsa.PublicKey, string, error)) (Assertion, error) {
	if len(text) > MaxAssertionLen {
		return Assertion{}, refuse("jwt", "The JWT is longer than %d bytes", MaxAssertionLen)
	}
	if strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return Assertion{}, refuse("jwt", "The JWT is malformed")
	}
	var a Assertion
	var refusal error // what the function below refused for
	var claims assertionClaims
	token, err := assertionParser.ParseWithClaims(text, &claims, func(token *jwt.Token) (key any, err error) {
		key, a, refusal = assertionKey(token, keyOf)
		return key, refusal
	})
	switch {
	case refusal != nil:
		return Assertion{}, refusal
	case errors.Is(err, jwt.ErrTokenMalformed):
		return Assertion{}, refuse("jwt", "The JWT is malformed")
	case token == nil || token.Method != jwt.SigningMethodPS256:
		return Assertion{}, refuse("alg", "The JWT must be signed with PS256 (field 'alg' of its header)")
	case err != nil:
		return Assertion{}, refuse("signature", "The JWT is not signed by the key that its header names")
	}
	if err := claims.judge(a.AccountID, now, audiences); err != nil {
		return Assertion{}, err
	}
	a.ExpiresAt = int64(math.Floor(float64(*claims.ExpiresAt)))
	return a, nil
}

// assertionKey finds the key that the header names.
func assertionKey(token *jwt.Token, keyOf func(string) (*rsa.PublicKey, string, error)) (*rsa.PublicKey, Assertion, error) {
	if _, ok := token.Header["crit"]; ok { // RFC 7515 4.1.11: what is not understood is refused
		return nil, Assertion{}, refuse("crit", "The field 'crit' in the JWT header is not supported")
	}
	kid, _ := token.Header["kid"].(string)
	if kid == "" {
		return nil, Assertion{}, refuse("kid", "The required field 'kid' is missing from the JWT header")
	}
	key, account, err := keyOf(kid)
	if err != nil {
		return nil, Assertion{}, err
	}
	if key == nil || account == "" {
		return nil, Assertion{}, refuse("kid", "The key that the JWT header names does not exist")
	}
	return key, Assertion{KeyID: kid, AccountID: account}, nil
}

// assertionClaims is the payload of an assertion, as far as it counts.
type assertionClaims struct {
	jwt.RegisteredClaims `json:"-"` // makes it a jwt.Claims, and is not read

	Issuer    string           `json:"iss"`
	Audience  jwt.ClaimStrings `json:"aud"` // one string or several
	IssuedAt  *unixSeconds     `json:"iat"`
	NotBefore *unixSeconds     `json:"nbf"`
	ExpiresAt *unixSeconds     `json:"exp"`
}

// unixSeconds is a JSON number, with a fraction or without, from 0 to
// maxUnixSeconds. The library's type turns a number that is too large into any
// time at all.
type unixSeconds float64

func (s *unixSeconds) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if !(f >= 0 && f <= maxUnixSeconds) {
		return errors.New("not a time")
	}
	*s = unixSeconds(f)
	return nil
}

// judge asks every claim; the signature is right already.
func (c *assertionClaims) judge(account string, at time.Time, audiences []string) error {
	now := unixSeconds(at.UnixNano()) / 1e9
	skewed := now + unixSeconds(MaxClockSkew.Seconds())
	switch {
	case c.Issuer == "":
		return missing("iss")
	case c.Issuer != account:
		return refuse("iss", "The field 'iss' of the JWT must be the id of the service account that the key belongs to")
	case len(c.Audience) == 0:
		return missing("aud")
	case !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(audiences, aud) }):
		return refuse("aud", "The field 'aud' of the JWT names another audience; %q is right", VendorAudience)
	case c.IssuedAt == nil:
		return missing("iat")
	case c.ExpiresAt == nil:
		return missing("exp")
	case *c.ExpiresAt <= now:
		return refuse("exp", "The JWT has expired (field 'exp')")
	case *c.IssuedAt > skewed:
		return refuse("iat", "The JWT was issued in the future (field 'iat'): is the clock right?")
	case *c.ExpiresAt <= *c.IssuedAt:
		return refuse("exp", "The JWT expires before it was issued (fields 'iat' and 'exp')")
	case *c.ExpiresAt-*c.IssuedAt > unixSeconds(MaxAssertionLife.Seconds()):
		return refuse("exp", "The JWT holds for more than an hour (fields 'iat' and 'exp')")
	case c.NotBefore != nil && *c.NotBefore > skewed:
		return refuse("nbf", "The JWT does not hold yet (field 'nbf')")
	}
	return nil
}

func missing(claim string) error {
	return refuse(claim, "The required field '%s' is missing from the JWT payload", claim)
}

func refuse(field, format string, args ...any) error {
	return &AssertionError{Field: field, Text: fmt.Sprintf(format, args...)}
}
