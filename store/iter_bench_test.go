package store

import (
	"fmt"
	"testing"
)

// BenchmarkIter_Next walks one row of 10,000 facts, once with nothing else in
// it and once with as many dead versions between them.
func BenchmarkIter_Next(b *testing.B) {
	const n = 10_000
	for _, touched := range []bool{false, true} {
		b.Run(fmt.Sprint("dead=", touched), func(b *testing.B) {
			s := ready(b)
			for i := range n {
				apply(b, s, uint64(2+2*i), write(b, OpTouch, fmt.Sprintf("doc:a#viewer@user:%d", i)))
				if touched {
					apply(b, s, uint64(3+2*i), write(b, OpTouch, fmt.Sprintf("doc:a#viewer@user:%d[ip]", i)))
				}
			}
			v := must[View](b)(s.View("default", 0))
			y := s.Symbols()
			shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
			object := v.Node(y.Lookup("doc"), "a")
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for it := v.Forward(object, shape); it.Next(); {
					if f := it.Fact(); f.Subject != 0 {
						got++
					}
				}
				if got != n {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/fact")
		})
	}
}
