package credential

import (
	"bytes"
	"crypto/ed25519"
	"hash/maphash"
	"math/bits"
	"strings"
	"sync/atomic"
)

const (
	defaultTokens = 65_536
	tokenWays     = 8
)

// Tokens verifies IAM tokens and remembers those that it found genuine, because a
// signature costs a thousand times what a look at the memory does. Bounded, and
// safe for concurrent use without a lock.
type Tokens struct {
	seed maphash.Seed
	sets []tokenSet

	verified atomic.Uint64
	refused  atomic.Uint64
}

// A tokenSet holds the tokens whose hash leads to it. A slot's tag and entry are
// written one after the other; a reader that sees them apart finds nothing or
// compares the token, so tags are hints.
type tokenSet struct {
	tags    [tokenWays]atomic.Uint32
	entries [tokenWays]atomic.Pointer[tokenEntry]
}

// A tokenEntry is a genuine token. All but asked is immutable.
type tokenEntry struct {
	token  string
	claims Claims
	public [ed25519.PublicKeySize]byte // the key that its signature was verified with
	asked  atomic.Bool                 // since something else last looked for room here
}

// TokenStats count since Tokens was made.
type TokenStats struct {
	Verified uint64 // signatures found right: genuine tokens that were not remembered
	Refused  uint64
}

// NewTokens makes a verifier that remembers at most so many tokens, rounded up to
// a multiple of eight; 0 stands for 65,536. A token takes some 700 bytes.
func NewTokens(most int) *Tokens {
	if most <= 0 {
		most = defaultTokens
	}
	return &Tokens{seed: maphash.MakeSeed(), sets: make([]tokenSet, (most+tokenWays-1)/tokenWays)}
}

// Verify returns what token says if a key that keyOf knows has signed it. It does
// not judge time or revocation, and nobody may change what it returns. keyOf is
// asked about remembered tokens too: a key that it does not know any more makes
// all its tokens unknown, and one that has become another under the same id makes
// them be verified again. The error is ErrTokenMalformed, ErrTokenSigningKey or
// ErrTokenSignature.
func (t *Tokens) Verify(token string, keyOf func(id string) (ed25519.PublicKey, bool)) (*Claims, error) {
	if len(token) > MaxTokenLen {
		return nil, t.refuse(ErrTokenMalformed)
	}
	hash := maphash.String(t.seed, token)
	set := t.set(hash)
	if e := set.find(uint32(hash), token); e != nil {
		public, ok := keyOf(e.claims.SigningKeyID)
		if !ok {
			return nil, t.refuse(ErrTokenSigningKey)
		}
		if bytes.Equal(public, e.public[:]) {
			return &e.claims, nil
		}
	}
	e, err := verify(token, keyOf)
	if err != nil {
		return nil, t.refuse(err)
	}
	t.verified.Add(1)
	set.keep(hash, e)
	return &e.claims, nil
}

// verify works the signature out.
func verify(token string, keyOf func(id string) (ed25519.PublicKey, bool)) (*tokenEntry, error) {
	claims, signed, signature, ok := parseToken(token)
	if !ok {
		return nil, ErrTokenMalformed
	}
	public, ok := keyOf(claims.SigningKeyID)
	if !ok {
		return nil, ErrTokenSigningKey
	}
	// A key of another length would make the library panic.
	if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, []byte(signed), signature) {
		return nil, ErrTokenSignature
	}
	return &tokenEntry{token: strings.Clone(token), claims: claims, public: [32]byte(public)}, nil
}

func (t *Tokens) refuse(err error) error {
	t.refused.Add(1)
	return err
}

// Stats returns the counters.
func (t *Tokens) Stats() TokenStats {
	return TokenStats{Verified: t.verified.Load(), Refused: t.refused.Load()}
}

// set picks by the upper half of hash; tags are of the lower.
func (t *Tokens) set(hash uint64) *tokenSet {
	i, _ := bits.Mul64(hash, uint64(len(t.sets)))
	return &t.sets[i]
}

// find compares the whole token. That this takes longer the more of it is right
// tells a stranger nothing: what is not the very token has, but for one chance in
// four thousand million, another tag, under a seed that nobody is told.
func (s *tokenSet) find(tag uint32, token string) *tokenEntry {
	for i := range s.tags {
		if s.tags[i].Load() != tag {
			continue
		}
		if e := s.entries[i].Load(); e != nil && e.token == token {
			if !e.asked.Load() { // written once, so that readers share the line
				e.asked.Store(true)
			}
			return e
		}
	}
	return nil
}

// keep puts e into a slot: that of the same token, or a free one, or one that
// nobody has asked for since the last time all were in use.
func (s *tokenSet) keep(hash uint64, e *tokenEntry) {
	victim := -1
	for i := range s.entries {
		old := s.entries[i].Load()
		if old == nil || old.token == e.token {
			victim = i
			break
		}
		if victim < 0 && !old.asked.Load() {
			victim = i
		}
	}
	if victim < 0 {
		victim = int(hash % tokenWays)
		for i := range s.entries {
			s.entries[i].Load().asked.Store(false)
		}
	}
	s.entries[victim].Store(e)
	s.tags[victim].Store(uint32(hash))
}
