package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What is kept never is more than asked for, and hardly less; where the log was
// truncated it may be less.
func TestTail_AgreesWithPlainSum(t *testing.T) {
	const keep, largest = 100_000, 3_000
	for _, truncate := range []bool{false, true} {
		t.Run(fmt.Sprint("truncate=", truncate), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng, tl := dice(seed), tail{keep: keep}
			var sizes []int64 // of entries 1, 2, ...
			written := int64(0)
			for range 10_000 {
				if truncate && rng.IntN(500) == 0 && len(sizes) > 100 {
					sizes = sizes[:len(sizes)-rng.IntN(100)]
					tl.cut(uint64(len(sizes) + 1))
				}
				size := 1 + rng.Int64N(200)
				if rng.IntN(50) == 0 {
					size = rng.Int64N(largest)
				}
				sizes = append(sizes, size)
				tl.note(uint64(len(sizes)), written)
				written += size
				got, kept := tl.entries(uint64(len(sizes)), written), int64(0)
				for _, s := range sizes[uint64(len(sizes))-got:] {
					kept += s
				}
				if kept > keep {
					t.Fatalf("%d entries are %d bytes", got, kept)
				}
				if least := min(written, keep-keep/tailSteps-largest); !truncate && kept < least {
					t.Fatalf("%d entries are only %d of %d bytes", got, kept, written)
				}
				if len(tl.marks) > tailSteps+2 {
					t.Fatalf("%d marks", len(tl.marks))
				}
			}
		})
	}
}

// A follower takes its own snapshots, and keeps as much of the log as its leader.
func TestTail_FollowersTruncateByBytes(t *testing.T) {
	labTest(t, func(t *testing.T, l *lab) {
		const trailing = 50_000
		ids := l.trio(t, func(c *Config) { c.TrailingBytes, c.SnapshotBytes = trailing, 200_000 })
		n := l.nodes[l.leaderOf(t, ids...)]
		for i := range 4000 { // small and large entries
			c := write(i)
			if i%100 == 0 {
				c.Records = append(c.Records, bulk(i, 5000))
			}
			propose(t, n.Node, c)
		}
		for _, id := range ids {
			n := l.nodes[id]
			if n.Status().SnapshotIndex == 0 {
				t.Errorf("%s has taken no snapshot", id)
			}
			first, last := must(n.logs.FirstIndex()), must(n.logs.LastIndex())
			all, behind := int64(0), int64(0)
			for i := first; i <= last; i++ {
				size := int64(len(logAt(t, n.Node, i).Data)) + entryOverhead
				all += size
				if i <= n.Status().SnapshotIndex {
					behind += size
				}
			}
			if behind > trailing || all < trailing-10_000 {
				t.Errorf("%s keeps %d bytes of log (%d to %d), %d of them behind its snapshot at %d", id, all, first, last, behind, n.Status().SnapshotIndex)
			}
		}
	})
}
