package telemetry

import (
	"math/bits"
	"sync/atomic"
)

const (
	finest  = 2                       // exponent of the lowest bound: 4 us
	coarse  = 24                      // exponent of the highest bound: 16.8 s
	bounds  = 2*(coarse-finest) + 1   // two for each octave
	buckets = bounds + 1              // what is longer than the highest bound
	padding = 128 - (buckets+2)*8%128 // keeps stripes apart in the processors' caches
	nanos   = 1000                    // in a microsecond
)

// Bounds returns the upper bounds of the buckets of every histogram, in seconds:
// a power of two microseconds and one and a half of it, in turn.
func Bounds() []float64 {
	out := make([]float64, 0, bounds)
	for b := finest; b < coarse; b++ {
		out = append(out, float64(uint64(1)<<b)/1e6, float64(uint64(3)<<(b-1))/1e6)
	}
	return append(out, float64(uint64(1)<<coarse)/1e6)
}

// bucketOf returns the first bucket whose bound is not below a time.
func bucketOf(nanoseconds int64) int {
	us := uint64(max(nanoseconds, 0)+nanos-1) / nanos
	if us <= 1<<finest {
		return 0
	}
	octave := bits.Len64(us - 1) // us is in (2^(octave-1), 2^octave]
	if octave > coarse {
		return bounds
	}
	i := 2 * (octave - finest)
	if us <= 3<<(octave-2) {
		i--
	}
	return i
}

// A stripe is one of several parts of a method's counters, so that processors
// that count at the same time seldom write to the same memory.
type stripe struct {
	begun atomic.Uint64
	sum   atomic.Int64 // nanoseconds of those that ended
	ended [buckets]atomic.Uint64
	_     [padding]byte
}

// A Histogram counts durations.
type Histogram struct {
	Counts [buckets]uint64 // for each of Bounds those up to it and above the one before; last, those above all
	Sum    float64         // seconds
}

// Count returns how many durations h holds.
func (h *Histogram) Count() uint64 {
	var n uint64
	for _, c := range h.Counts {
		n += c
	}
	return n
}
