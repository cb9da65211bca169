package native

import (
	"errors"
	"fmt"
	"io"
	"testing"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkList reads a list of 100,000 objects over loopback, client and server
// in this process, and counts it.
func BenchmarkList(b *testing.B) {
	const n = 100_000
	f := openWith(b)
	for from := 0; from < n; from += 5000 {
		var texts []string
		for i := range 5000 {
			texts = append(texts, fmt.Sprintf("doc:org-%03d/doc-%06d#owner@user:ann", i%100, from+i))
		}
		f.touch(b, texts...)
	}
	for _, countOnly := range []bool{false, true} {
		b.Run(fmt.Sprintf("count=%v", countOnly), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stream, err := f.permissions.ListObjects(b.Context(), &pembav1.ListObjectsRequest{
					Type: "doc", Permission: "edit", Subject: &pembav1.Subject{Type: "user", Id: "ann"}, CountOnly: countOnly})
				if err != nil {
					b.Fatal(err)
				}
				var count int64
				for {
					reply, err := stream.Recv()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					count = reply.GetCount()
				}
				if count != n {
					b.Fatal(count)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "results/s")
		})
	}
}
