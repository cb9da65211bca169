package tuple

import (
	"hash/maphash"
	"math/bits"
)

// hashSeed differs between processes, so that nobody can choose names that collide.
var hashSeed = maphash.Comparable(maphash.MakeSeed(), 0)

// Hash hashes a name and what it is a name of, eight bytes at a time: all of them, as
// names that begin and end alike are common. Hashes mean nothing to other processes.
func Hash(of uint32, name string) uint64 {
	h := hashSeed ^ uint64(of)<<32 ^ uint64(len(name))
	for ; len(name) > 8; name = name[8:] {
		h = fold(h, word(name))
	}
	var last uint64
	switch n := len(name); {
	case n == 8:
		last = word(name)
	case n >= 4:
		last = uint64(half(name)) | uint64(half(name[n-4:]))<<32
	case n > 0:
		last = uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16
	}
	return fold(h, last)
}

func fold(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, w^hashSeed)
	return hi ^ lo
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
