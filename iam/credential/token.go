package credential

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Why a token is refused.
var (
	ErrTokenMalformed  = errors.New("the token is malformed")
	ErrTokenSigningKey = errors.New("the token's signing key is unknown")
	ErrTokenSignature  = errors.New("the token's signature is wrong")
)

const (
	// MaxTokenLife is how long an IAM token may hold.
	MaxTokenLife = 12 * time.Hour
	// MaxTokenLen is the longest text that is looked at as a token, in bytes. A
	// usual one has some 250.
	MaxTokenLen = 4096
	// MaxClaimLen is the longest text in Claims, in bytes.
	MaxClaimLen = 255

	tokenPrefix    = "t1."
	tokenVersion   = 1
	signatureChars = 86 // base64 of 64 bytes without padding
	claimTexts     = 7
)

// strictBase64 has one spelling for every value, once isBase64 has been asked: by
// itself it skips line ends.
var strictBase64 = base64.RawURLEncoding.Strict()

// Claims are what a token says. Every text is at most MaxClaimLen bytes.
type Claims struct {
	ID          string // of the token: revocation names it
	SubjectType string
	SubjectID   string
	KeyID       string // the authorized key that it was made with, or ""

	// Who asked for a token of another subject; both or neither.
	ImpersonatorType string
	ImpersonatorID   string

	IssuedAt     int64  // Unix seconds
	ExpiresAt    int64  // Unix seconds; later than IssuedAt, by MaxTokenLife at most
	SigningKeyID string // which Sign sets
}

// Expired reports whether the token has ceased to hold at now.
func (c *Claims) Expired(now time.Time) bool { return c.ExpiresAt <= now.Unix() }

// Sign makes the token that says c, with the id of k as SigningKeyID: "t1.", the
// claims in an encoding of our own, ".", 86 characters of signature over all that
// stands before that dot. It panics on claims that break what is said at Claims or
// lack an id, a subject or a lifetime: the program makes them, not its callers.
func (k *SigningKey) Sign(c *Claims) string {
	signed := *c
	signed.SigningKeyID = k.ID
	if problem := signed.problem(); problem != "" {
		panic("credential: sign token: " + problem)
	}
	text := make([]byte, 0, 512)
	text = append(text, tokenPrefix...)
	text = base64.RawURLEncoding.AppendEncode(text, signed.encode())
	signature := ed25519.Sign(k.private(), text)
	text = append(text, '.')
	return string(base64.RawURLEncoding.AppendEncode(text, signature))
}

// problem says why c is no token's, or "".
func (c *Claims) problem() string {
	for _, text := range c.texts() {
		if len(*text) > MaxClaimLen {
			return fmt.Sprintf("a text of %d bytes", len(*text))
		}
	}
	switch {
	case c.ID == "" || c.SubjectType == "" || c.SubjectID == "" || c.SigningKeyID == "":
		return "an id, a subject or a signing key is missing"
	case (c.ImpersonatorType == "") != (c.ImpersonatorID == ""):
		return "an impersonator needs a type and an id"
	case c.IssuedAt < 0 || c.ExpiresAt <= c.IssuedAt || c.ExpiresAt-c.IssuedAt > int64(MaxTokenLife/time.Second):
		return "it must expire within 12 hours of its issue"
	}
	return ""
}

// texts lists the texts of c in their order in the encoding.
func (c *Claims) texts() [claimTexts]*string {
	return [claimTexts]*string{
		&c.SigningKeyID, &c.ID, &c.SubjectType, &c.SubjectID, &c.KeyID, &c.ImpersonatorType, &c.ImpersonatorID,
	}
}

// encode writes a version, the two times and the texts, each behind its length in
// one byte: claims have one encoding, and it begins with what every version has.
func (c *Claims) encode() []byte {
	raw := append(make([]byte, 0, 256), tokenVersion)
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.IssuedAt))
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.ExpiresAt))
	for _, text := range c.texts() {
		raw = append(raw, byte(len(*text)))
		raw = append(raw, *text...)
	}
	return raw
}

// decodeClaims reads what encode wrote and nothing else.
func decodeClaims(raw []byte) (c Claims, ok bool) {
	if len(raw) < 17 || raw[0] != tokenVersion {
		return c, false
	}
	c.IssuedAt = int64(binary.BigEndian.Uint64(raw[1:9]))
	c.ExpiresAt = int64(binary.BigEndian.Uint64(raw[9:17]))
	rest := string(raw[17:])
	for _, text := range c.texts() {
		if rest == "" {
			return Claims{}, false
		}
		end := 1 + int(rest[0])
		if end > len(rest) {
			return Claims{}, false
		}
		*text, rest = rest[1:end], rest[end:]
	}
	return c, rest == "" && c.problem() == ""
}

// parseToken takes a token apart without believing it: what it says, what was
// signed, and the signature. Each token has one spelling; every other text is
// refused, so that two texts are two tokens.
func parseToken(token string) (c Claims, signed string, signature []byte, ok bool) {
	if len(token) > MaxTokenLen || !strings.HasPrefix(token, tokenPrefix) {
		return c, "", nil, false
	}
	dot := len(token) - signatureChars - 1
	if dot <= len(tokenPrefix) || token[dot] != '.' {
		return c, "", nil, false
	}
	payload, tail := token[len(tokenPrefix):dot], token[dot+1:]
	if !isBase64(payload) || !isBase64(tail) {
		return c, "", nil, false
	}
	signature, err := strictBase64.DecodeString(tail)
	if err != nil || len(signature) != ed25519.SignatureSize {
		return c, "", nil, false
	}
	raw, err := strictBase64.DecodeString(payload)
	if err != nil {
		return c, "", nil, false
	}
	c, ok = decodeClaims(raw)
	return c, token[:dot], signature, ok
}

// isBase64 reports whether text consists of the letters of base64url alone.
func isBase64(text string) bool {
	for i := range len(text) {
		b := text[i]
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && (b < '0' || b > '9') && b != '-' && b != '_' {
			return false
		}
	}
	return true
}
