package credential

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

var (
	// ErrMasterKeyText says that a text is not that of a master key.
	ErrMasterKeyText = errors.New("a master key is 32 bytes as base64 or as 64 hexadecimal digits")
	// ErrOtherMasterKey says that something was sealed under another master key;
	// the text names both by their fingerprints.
	ErrOtherMasterKey = errors.New("sealed under another master key")
	// ErrSealed says that something sealed under this master key has been changed,
	// or is opened in another context than it was sealed in.
	ErrSealed = errors.New("what was sealed is damaged or belongs elsewhere")
)

const (
	masterKeyLen   = 32
	fingerprintLen = 8
	sealVersion    = 1
	sealHeaderLen  = 1 + fingerprintLen
)

// A MasterKey seals secrets that are replicated and written to disk. It is given
// to every node by its operator and is itself never stored or printed. Safe for
// concurrent use.
type MasterKey struct {
	secret hidden[[masterKeyLen]byte]
	aead   hidden[cipher.AEAD]
	header [sealHeaderLen]byte // what everything sealed begins with: version, fingerprint
}

// NewMasterKey makes a random one.
func NewMasterKey() *MasterKey {
	var secret [masterKeyLen]byte
	rand.Read(secret[:])
	return masterKey(secret)
}

// ParseMasterKey reads base64 (either alphabet, padded or not) or hexadecimal
// digits; blanks and line ends around them do not count. The error is
// ErrMasterKeyText.
func ParseMasterKey(text string) (*MasterKey, error) {
	text = strings.TrimSpace(text)
	var raw []byte
	var err error
	switch {
	case len(text) == hex.EncodedLen(masterKeyLen):
		raw, err = hex.DecodeString(text)
	case strings.ContainsAny(text, "\r\n"): // which base64 would skip
		return nil, ErrMasterKeyText
	default:
		text = strings.TrimSuffix(text, "=")
		text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
		raw, err = base64.RawStdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(raw) != masterKeyLen {
		return nil, ErrMasterKeyText
	}
	return masterKey([masterKeyLen]byte(raw)), nil
}

func masterKey(secret [masterKeyLen]byte) *MasterKey {
	block, err := aes.NewCipher(derive(secret, "pemba: seal"))
	if err != nil {
		panic(err) // 32 bytes are a key of AES-256
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	k := &MasterKey{secret: hide(secret), aead: hide(aead)}
	k.header[0] = sealVersion
	copy(k.header[1:], derive(secret, "pemba: fingerprint"))
	return k
}

// derive returns 32 bytes for one purpose, which tell nothing of the secret or
// of those for another.
func derive(secret [masterKeyLen]byte, purpose string) []byte {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte(purpose))
	return h.Sum(nil)
}

// Text returns the key itself, in a form that ParseMasterKey reads: for the file
// of a new key, and for nothing else.
func (k *MasterKey) Text() string {
	secret := k.secret()
	return base64.StdEncoding.EncodeToString(secret[:])
}

// Fingerprint names the key in 16 hexadecimal digits: always the same for the same
// key, and of no help in finding it.
func (k *MasterKey) Fingerprint() string { return hex.EncodeToString(k.header[1:]) }

// Seal encrypts and authenticates plaintext with AES-256-GCM. Only Open with the
// same key and the same context returns it; a context says what the secret
// belongs to, so that it cannot be passed off as another's, and is not itself in
// the result. The result is 37 bytes longer than plaintext and never the same
// twice: its nonce is random, which is good for four thousand million calls under
// one key.
func (k *MasterKey) Seal(plaintext []byte, context string) []byte {
	sealed := make([]byte, 0, sealHeaderLen+k.aead().Overhead()+len(plaintext))
	sealed = append(sealed, k.header[:]...)
	return k.aead().Seal(sealed, nil, plaintext, k.bound(context))
}

// Open returns what Seal was given. The error is, or wraps, ErrOtherMasterKey or
// ErrSealed.
func (k *MasterKey) Open(sealed []byte, context string) ([]byte, error) {
	fingerprint, ok := SealedUnder(sealed)
	switch {
	case !ok:
		return nil, ErrSealed
	case fingerprint != k.Fingerprint():
		return nil, fmt.Errorf("%w: needs %s, this is %s", ErrOtherMasterKey, fingerprint, k.Fingerprint())
	}
	plaintext, err := k.aead().Open(nil, nil, sealed[sealHeaderLen:], k.bound(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

// SealedUnder returns the fingerprint of the master key that sealed says it needs;
// ok is false when sealed is nothing that Seal made.
func SealedUnder(sealed []byte) (fingerprint string, ok bool) {
	if len(sealed) < sealHeaderLen || sealed[0] != sealVersion {
		return "", false
	}
	return hex.EncodeToString(sealed[1:sealHeaderLen]), true
}

// bound is what is authenticated beside the plaintext.
func (k *MasterKey) bound(context string) []byte {
	return bytes.Join([][]byte{k.header[:], []byte(context)}, nil)
}

// String names the key without telling it.
func (k *MasterKey) String() string { return "master key " + k.Fingerprint() }

// Format writes String whatever the verb is.
func (k *MasterKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// LogValue is String.
func (k *MasterKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
