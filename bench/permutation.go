package bench

import "math/bits"

// permutation maps [0, size) onto itself in a pseudo-random order: a Feistel
// network over the next even number of bits, walked until it lands below size.
type permutation struct {
	size, mask uint64
	half       uint
	keys       [4]uint64
}

func newPermutation(size, seed uint64) permutation {
	half := uint(bits.Len64(size)+1) / 2
	p := permutation{size: size, half: half, mask: 1<<half - 1}
	for i := range p.keys {
		p.keys[i] = mix(seed + uint64(i) + 1)
	}
	return p
}

// at is the place of n, n < p.size.
func (p *permutation) at(n uint64) uint64 {
	for {
		left, right := n>>p.half, n&p.mask
		for _, k := range p.keys {
			left, right = right, left^mix(right^k)&p.mask
		}
		if n = left<<p.half | right; n < p.size {
			return n
		}
	}
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
