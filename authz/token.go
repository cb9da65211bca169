package authz

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A consistency token names a revision of one tenant in one life of one
// cluster. Its text is opaque to clients: a prefix with the version, then
// base64url of the fields below and a checksum against accidents. It is not a
// secret and proves nothing.
type position struct {
	cluster     [16]byte // digest of the cluster's UUID
	incarnation uint64   // of the cluster
	tenant      uint64   // incarnation of the tenant
	revision    uint64
}

const (
	tokenPrefix = "pt1_"
	// MaxTokenLen is the longest text that can be a token, in bytes.
	MaxTokenLen = 96
)

var (
	errMalformed = errors.New("malformed token")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

func clusterDigest(id string) [16]byte {
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:])
}

// text returns the token of p.
func (p position) text() string {
	raw := make([]byte, 0, 64)
	raw = append(raw, p.cluster[:]...)
	raw = binary.AppendUvarint(raw, p.incarnation)
	raw = binary.AppendUvarint(raw, p.tenant)
	raw = binary.AppendUvarint(raw, p.revision)
	raw = binary.LittleEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// parseToken reads what text wrote, and nothing else.
func parseToken(s string) (position, error) {
	var p position
	if len(s) > MaxTokenLen || len(s) < len(tokenPrefix) || s[:len(tokenPrefix)] != tokenPrefix {
		return p, errMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s[len(tokenPrefix):])
	if err != nil || len(raw) < len(p.cluster)+4 {
		return p, errMalformed
	}
	body, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return p, errMalformed
	}
	body = body[copy(p.cluster[:], body):]
	for _, field := range []*uint64{&p.incarnation, &p.tenant, &p.revision} {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return position{}, errMalformed
		}
		*field, body = v, body[n:]
	}
	if len(body) > 0 || p.text() != s {
		return position{}, errMalformed
	}
	return p, nil
}
