package credential

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// signMany makes n tokens of different subjects.
func signMany(key *SigningKey, n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		c := someClaims()
		c.SubjectID = fmt.Sprint("aje", i)
		tokens[i] = key.Sign(c)
	}
	return tokens
}

// remembered counts the tokens that t answers without looking at a signature.
func remembered(t *Tokens) (n int) {
	for i := range t.sets {
		for j := range t.sets[i].entries {
			if t.sets[i].entries[j].Load() != nil {
				n++
			}
		}
	}
	return n
}

func TestTokens_RememberNoMoreThanTheyMay(t *testing.T) {
	key := newSigningKey(t)
	for _, most := range []int{1, 8, 9, 24} {
		tokens := NewTokens(most)
		many := signMany(key, 200)
		for _, token := range append(many, many...) {
			if _, err := tokens.Verify(token, knows(key)); err != nil {
				t.Fatal(err)
			}
		}
		if n, bound := remembered(tokens), (most+7)/8*8; n != bound {
			t.Errorf("%d of %d", n, bound)
		}
	}
}

func TestTokens_RememberGenuineTokensOnly(t *testing.T) {
	key, stranger := newSigningKey(t), newSigningKey(t)
	tokens := NewTokens(1000)
	for _, token := range signMany(stranger, 20) {
		if _, err := tokens.Verify(token, knows(key)); err == nil {
			t.Fatal("verified")
		}
		if _, err := tokens.Verify(token[:len(token)-5]+"AAAAA", knows(stranger)); err == nil {
			t.Fatal("verified")
		}
	}
	if n := remembered(tokens); n != 0 {
		t.Errorf("%d", n)
	}
	if got, want := tokens.Stats(), (TokenStats{Refused: 40}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestTokens_KeepWhatIsAskedForAmongWhatIsNot(t *testing.T) {
	key := newSigningKey(t)
	tokens := NewTokens(8)
	many := signMany(key, 104)
	often := many[:4]
	for _, once := range many[4:] {
		for _, token := range often {
			tokens.Verify(token, knows(key))
		}
		tokens.Verify(once, knows(key))
	}
	// 4 + 100 first sights; a few more are allowed, not one a round.
	if got := tokens.Stats().Verified; got > 110 {
		t.Errorf("%d signatures looked at", got)
	}
}

func TestTokens_AnswerManyAtOnce(t *testing.T) {
	key, stranger := newSigningKey(t), newSigningKey(t)
	tokens := NewTokens(16) // too few, so that slots change hands all the time
	genuine, forged := signMany(key, 40), signMany(stranger, 5)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(g)))
			for range 300 {
				i := random.IntN(len(genuine))
				c, err := tokens.Verify(genuine[i], knows(key))
				if err != nil || c.SubjectID != fmt.Sprint("aje", i) {
					t.Errorf("token %d: %v, %v", i, c, err)
				}
				if c, err := tokens.Verify(forged[i%len(forged)], knows(key)); err == nil {
					t.Errorf("forged: %v", c)
				}
			}
		})
	}
	wg.Wait()
}

// Readers may see the tag of one token beside the entry of another.
func TestTokens_CompareTheTokenWhenTagsAgree(t *testing.T) {
	key := newSigningKey(t)
	tokens := NewTokens(1)
	many := signMany(key, 2)
	set := &tokens.sets[0]
	c, _, _, _ := parseToken(many[0])
	set.keep(7, &tokenEntry{token: many[0], claims: c})
	if set.find(7, many[1]) != nil || set.find(7, many[0]) == nil || set.find(8, many[0]) != nil {
		t.Error("found another")
	}
}

func TestVerify_AllocatesNothingForARememberedToken(t *testing.T) {
	key := newSigningKey(t)
	tokens, keyOf := NewTokens(100), knows(key)
	token := key.Sign(someClaims())
	if n := testing.AllocsPerRun(100, func() {
		if _, err := tokens.Verify(token, keyOf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
