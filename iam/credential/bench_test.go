package credential

import (
	"strconv"
	"testing"
)

// A token that is remembered, the same one and one of many.
func BenchmarkVerify_Remembered(b *testing.B) {
	key := newSigningKey(b)
	for _, n := range []int{1, 1000, 20_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tokens, keyOf := NewTokens(0), knows(key)
			many := signMany(key, n)
			for _, token := range many {
				tokens.Verify(token, keyOf)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := tokens.Verify(many[i], keyOf); err != nil {
					b.Fatal(err)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkVerify_RememberedByAll(b *testing.B) {
	key := newSigningKey(b)
	tokens, keyOf := NewTokens(0), knows(key)
	token := key.Sign(someClaims())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := tokens.Verify(token, keyOf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify_Cold(b *testing.B) {
	key := newSigningKey(b)
	keyOf := knows(key)
	token := key.Sign(someClaims())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verify(token, keyOf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	key, c := newSigningKey(b), someClaims()
	b.ReportAllocs()
	for b.Loop() {
		key.Sign(c)
	}
}

func BenchmarkVerifyAssertion(b *testing.B) {
	f := key1()
	keyOf := belongTo(b, f)
	text, err := f.Assertion(now, VendorAudience)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := VerifyAssertion(text, now, audiences, keyOf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k, secret := NewMasterKey(), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		k.Seal(secret, "signing-key/1")
	}
}
