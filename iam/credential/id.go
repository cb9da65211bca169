package credential

import "crypto/rand"

const (
	idLetters   = "0123456789abcdefghijklmnopqrstuv"
	idRandomLen = 17
)

// NewID makes an id: prefix, which is three letters that say what it is for, and
// 17 random characters of [0-9a-v], which are 85 bits.
func NewID(prefix string) string {
	var random [idRandomLen]byte
	rand.Read(random[:])
	id := append(make([]byte, 0, len(prefix)+idRandomLen), prefix...)
	for _, b := range random {
		id = append(id, idLetters[b%32])
	}
	return string(id)
}
