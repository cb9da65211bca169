package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// plains are new ones of each kind.
func plains() []Plain {
	return []Plain{&Check{}, &Answer{}, &Batch{}, &BatchAnswer{}, &StreamQuestion{}, &StreamAnswer{}, &Authorize{}, &Authorized{}}
}

func TestPlain_ReadsAndWritesWhatTheLibraryDoes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	used := plains()
	for range 800 {
		for i, want := range plains() {
			m := want.empty()
			fill(rng, m.ProtoReflect(), 4)
			b, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			want.take(m)
			got := used[i]
			if err := (Codec{}).Unmarshal(split(b, rng.IntN(len(b)+1)), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.library(), got.library(), protocmp.Transform(), protocmp.IgnoreUnknown(), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%T of %v (-want +got):\n%s", got, m, diff)
			}
			written, err := Codec{}.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			again, err := proto.Marshal(want.library())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(written.Materialize(), again) {
				t.Fatalf("%T %v:\n%x, the library\n%x", got, m, written.Materialize(), again)
			}
		}
	}
}

// The code of this package must be what does it, and without an object for each
// question.
func TestPlain_AllocatesNothingForAQuestion(t *testing.T) {
	for _, m := range typical() {
		for _, p := range plains() {
			if p.empty().ProtoReflect().Descriptor() != m.ProtoReflect().Descriptor() {
				continue
			}
			p.take(m)
			e := new(encoder)
			if p.encode(e); e.no {
				t.Errorf("%T is left to the library when it is written", p)
			}
			text := string(e.b)
			n := testing.AllocsPerRun(100, func() {
				if !p.decode(text) {
					t.Fatalf("%T is left to the library when it is read", p)
				}
				e.b = e.b[:0]
				p.encode(e)
			})
			if most := 7.0; n > most { // a frame's arrays, a consistency
				t.Errorf("%T: %v allocations", p, n)
			}
		}
	}
}

// FuzzPlain_ReadsWhatTheLibraryReads: whatever comes, message or error are those of the library.
func FuzzPlain_ReadsWhatTheLibraryReads(f *testing.F) {
	for i, m := range typical() {
		b, _ := proto.Marshal(m)
		f.Add(i, b)
		f.Add(4+i%2, b)
	}
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		want := plains()[uint(kind)%uint(len(plains()))]
		got := plains()[uint(kind)%uint(len(plains()))]
		m := want.empty()
		errWant := proto.Unmarshal(b, m)
		err := Codec{}.Unmarshal(split(b, len(b)/2), got)
		if (err != nil) != (errWant != nil) {
			t.Fatalf("%v, the library: %v", err, errWant)
		}
		want.take(m)
		if err == nil && !proto.Equal(got.library(), want.library()) {
			t.Fatalf("%v, the library: %v", got.library(), want.library())
		}
	})
}

func BenchmarkPlain(b *testing.B) {
	for _, m := range typical() {
		for _, p := range plains() {
			if p.empty().ProtoReflect().Descriptor() != m.ProtoReflect().Descriptor() {
				continue
			}
			p.take(m)
			data, _ := Codec{}.Marshal(p)
			name := string(m.ProtoReflect().Descriptor().Name())
			b.Run("write/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					out, _ := Codec{}.Marshal(p)
					out.Free()
				}
			})
			b.Run("read/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Codec{}.Unmarshal(data, p)
				}
			})
		}
	}
}
