package bench

import "math/bits"

// draws are the random numbers of one thing, as the editors of one document:
// the same whenever they are made, without those of any other thing.
type draws struct{ state uint64 }

// drawsOf returns the draws of what seed and numbers name.
func drawsOf(seed uint64, numbers ...int) draws {
	d := draws{mix(seed)}
	for _, n := range numbers {
		d.state = mix(d.state ^ uint64(n))
	}
	return d
}

func (d *draws) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// intN is a number in [0, n), n > 0.
func (d *draws) intN(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// float is a number in [0, 1).
func (d *draws) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// oneIn is true with a chance of 1/n.
func (d *draws) oneIn(n int) bool { return d.intN(n) == 0 }
