package credential

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrKeyBits says that an authorized key was asked for that is not offered.
	ErrKeyBits = errors.New("an authorized key has 2048 or 4096 bits")
	// ErrPublicKey says that a text is no public key that is accepted.
	ErrPublicKey = errors.New("a public key is RSA of 2048 to 4096 bits, as PEM (PUBLIC KEY)")
	// ErrPrivateKey says that a text is no private key that is accepted. It never
	// says why: the text is a secret.
	ErrPrivateKey = errors.New("a private key is RSA of 2048 to 4096 bits, as PEM (PRIVATE KEY, without a password)")
)

const (
	minKeyBits = 2048
	maxKeyBits = 4096
	minKeyExp  = 65_537
	maxPEMLen  = 16 << 10

	publicPEMType  = "PUBLIC KEY"  // PKIX
	privatePEMType = "PRIVATE KEY" // PKCS #8

	keyLabel = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <%s>\n"
)

// GenerateKey makes an authorized key of 2048 or 4096 bits as two PEM texts; it
// takes from a tenth of a second to some seconds of one processor. Only the public
// half is to be kept. The error is ErrKeyBits.
func GenerateKey(bits int) (privatePEM, publicPEM string, err error) {
	if bits != minKeyBits && bits != maxKeyBits {
		return "", "", ErrKeyBits
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encode private key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", fmt.Errorf("encode public key: %w", err)
	}
	return pemText(privatePEMType, private), pemText(publicPEMType, public), nil
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// LabelPrivateKey puts the line that names the key before its PEM text, as the
// cloud hands private keys out and as its tools expect them.
func LabelPrivateKey(keyID, privatePEM string) string {
	return fmt.Sprintf(keyLabel, keyID) + privatePEM
}

// ParsePublicKey reads the public half of an authorized key. The error is
// ErrPublicKey.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	der, ok := pemBytes(text, publicPEMType)
	if !ok {
		return nil, ErrPublicKey
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, isRSA := parsed.(*rsa.PublicKey)
	if err != nil || !isRSA || !accepted(key) {
		return nil, ErrPublicKey
	}
	return key, nil
}

// parsePrivateKey reads a private half, labelled or not. The error is
// ErrPrivateKey.
func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	der, ok := pemBytes(text, privatePEMType)
	if !ok {
		return nil, ErrPrivateKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, isRSA := parsed.(*rsa.PrivateKey)
	if err != nil || !isRSA || !accepted(&key.PublicKey) || key.Validate() != nil {
		return nil, ErrPrivateKey
	}
	return key, nil
}

// pemBytes returns what the only block of text holds. Lines before it are no part
// of it (RFC 7468 section 2); nothing may follow.
func pemBytes(text, kind string) (der []byte, ok bool) {
	if len(text) > maxPEMLen {
		return nil, false
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != kind || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, false
	}
	return block.Bytes, true
}

// accepted refuses keys that are weak, or dear to work with. An exponent of 1
// would make every signature right.
func accepted(key *rsa.PublicKey) bool {
	bits := key.N.BitLen()
	return bits >= minKeyBits && bits <= maxKeyBits && key.N.Bit(0) == 1 && key.E >= minKeyExp && key.E%2 == 1
}
