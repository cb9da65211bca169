package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ErrKeyFile says that a text is no key file; the text of the wrapping error says
// which field is at fault.
var ErrKeyFile = errors.New("not the key file of a service account")

const maxKeyFileLen = 64 << 10

// A KeyFile is an authorized key with its private half, as the cloud's tools keep
// it. It is printed without that half.
type KeyFile struct {
	ID               string
	ServiceAccountID string
	CreatedAt        time.Time
	KeyAlgorithm     string // RSA_2048 or RSA_4096
	PublicKey        string // PEM
	PrivateKey       string // PEM, with or without the line that names the key
}

// keyFileJSON is the file's form.
type keyFileJSON struct {
	ID               string `json:"id"`
	ServiceAccountID string `json:"service_account_id"`
	CreatedAt        string `json:"created_at"`
	KeyAlgorithm     string `json:"key_algorithm"`
	PublicKey        string `json:"public_key"`
	PrivateKey       string `json:"private_key"`
}

// Marshal returns the file's text: indented JSON, a line end last, the private key
// with the line that names it.
func (f *KeyFile) Marshal() []byte {
	private := f.PrivateKey
	if strings.HasPrefix(private, "-----BEGIN") {
		private = LabelPrivateKey(f.ID, private)
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // the line has <>, and scanners for leaked keys look for it
	out.SetIndent("", "  ")
	err := out.Encode(keyFileJSON{
		ID:               f.ID,
		ServiceAccountID: f.ServiceAccountID,
		CreatedAt:        f.CreatedAt.UTC().Format(time.RFC3339Nano),
		KeyAlgorithm:     f.KeyAlgorithm,
		PublicKey:        f.PublicKey,
		PrivateKey:       private,
	})
	if err != nil {
		panic(err) // strings alone
	}
	return text.Bytes()
}

// ParseKeyFile reads a key file, the cloud's or ours. Fields that it does not know
// do not count; ids and a private key are needed, and the public key, if it is
// there, must be its other half. The error wraps ErrKeyFile.
func ParseKeyFile(text []byte) (*KeyFile, error) {
	if len(text) > maxKeyFileLen {
		return nil, keyFileError("longer than %d bytes", maxKeyFileLen)
	}
	var raw keyFileJSON
	if json.Unmarshal(text, &raw) != nil { // its text may repeat what it read
		return nil, keyFileError("no JSON of its form")
	}
	f := &KeyFile{
		ID:               raw.ID,
		ServiceAccountID: raw.ServiceAccountID,
		KeyAlgorithm:     raw.KeyAlgorithm,
		PublicKey:        raw.PublicKey,
		PrivateKey:       raw.PrivateKey,
	}
	if f.ID == "" || f.ServiceAccountID == "" {
		return nil, keyFileError("'id' and 'service_account_id' are needed")
	}
	if raw.CreatedAt != "" {
		at, err := time.Parse(time.RFC3339, raw.CreatedAt)
		if err != nil {
			return nil, keyFileError("'created_at' is no time of RFC 3339")
		}
		f.CreatedAt = at
	}
	private, err := parsePrivateKey(f.PrivateKey)
	if err != nil {
		return nil, keyFileError("'private_key': %v", err)
	}
	if f.PublicKey == "" {
		return f, nil
	}
	public, err := ParsePublicKey(f.PublicKey)
	if err != nil {
		return nil, keyFileError("'public_key': %v", err)
	}
	if !private.PublicKey.Equal(public) {
		return nil, keyFileError("'public_key' is not that of 'private_key'")
	}
	return f, nil
}

func keyFileError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrKeyFile, fmt.Sprintf(format, args...))
}

// Assertion signs a JWT that holds for an hour from now and is to be exchanged for
// an IAM token at audience. The error is ErrPrivateKey, or that of signing.
func (f *KeyFile) Assertion(now time.Time, audience string) (string, error) {
	private, err := parsePrivateKey(f.PrivateKey)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.RegisteredClaims{
		Issuer:    f.ServiceAccountID,
		Audience:  jwt.ClaimStrings{audience},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(MaxAssertionLife)),
	})
	token.Header["kid"] = f.ID
	text, err := token.SignedString(private)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return text, nil
}

// String names the key without telling it.
func (f KeyFile) String() string {
	return fmt.Sprintf("key file of key %s of service account %s", f.ID, f.ServiceAccountID)
}

// Format writes String whatever the verb is.
func (f KeyFile) Format(s fmt.State, _ rune) { io.WriteString(s, f.String()) }

// LogValue is String.
func (f KeyFile) LogValue() slog.Value { return slog.StringValue(f.String()) }
