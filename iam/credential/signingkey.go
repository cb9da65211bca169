package credential

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// ErrSigningKey says that some bytes are not those of a signing key.
var ErrSigningKey = errors.New("not the bytes of a signing key")

// A SigningKey signs IAM tokens (Ed25519). Safe for concurrent use.
type SigningKey struct {
	ID     string            // made from Public: two keys never share one
	Public ed25519.PublicKey // what Tokens.Verify needs; no secret

	private hidden[ed25519.PrivateKey]
}

// NewSigningKey makes one from 32 bytes of random; nil stands for the system's
// source, which never fails. The error is the reader's.
func NewSigningKey(random io.Reader) (*SigningKey, error) {
	if random == nil {
		random = rand.Reader
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return ParseSigningKey(seed)
}

// ParseSigningKey reads what MarshalPrivate returned. The error is ErrSigningKey.
func ParseSigningKey(seed []byte) (*SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, ErrSigningKey
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	return &SigningKey{ID: SigningKeyID(public), Public: public, private: hide(private)}, nil
}

// SigningKeyID returns the id of the signing key with this public half: 16
// characters of [A-Za-z0-9_-].
func SigningKeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// MarshalPrivate returns the private half, which is to be sealed before it goes
// anywhere.
func (k *SigningKey) MarshalPrivate() []byte { return k.private().Seed() }

// String names the key without telling its private half.
func (k *SigningKey) String() string { return "signing key " + k.ID }

// Format writes String whatever the verb is.
func (k *SigningKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// LogValue is String.
func (k *SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
