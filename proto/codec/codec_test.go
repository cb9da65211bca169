package codec

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// messages are new ones of each kind that this package has code for, and one
// that it has none for.
func messages() []proto.Message {
	return []proto.Message{
		&pb.CheckRequest{}, &pb.CheckResponse{}, &pb.BatchCheckRequest{}, &pb.BatchCheckResponse{},
		&pb.StreamCheckRequest{}, &pb.StreamCheckResponse{}, &pb.WriteRequest{},
		&pb.ListObjectsResponse{}, &pb.ListSubjectsResponse{},
	}
}

// fill sets some fields of m at random, to a certain depth.
func fill(rng *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if rng.IntN(3) == 0 || f.Message() != nil && depth == 0 {
			continue
		}
		switch {
		case f.IsList():
			list := m.Mutable(f).List()
			for range rng.IntN(4) {
				list.Append(element(rng, f, list.NewElement, depth))
			}
		default:
			m.Set(f, element(rng, f, func() protoreflect.Value { return m.NewField(f) }, depth))
		}
	}
	if rng.IntN(40) == 0 {
		m.SetUnknown(protoreflect.RawFields{0xf8, 0x3f, 1}) // field 1023 of a later version
	}
}

func element(rng *rand.Rand, f protoreflect.FieldDescriptor, fresh func() protoreflect.Value, depth int) protoreflect.Value {
	number := int64(rng.Uint64()) >> rng.IntN(64)
	switch f.Kind() {
	case protoreflect.MessageKind:
		v := fresh()
		fill(rng, v.Message(), depth-1)
		return v
	case protoreflect.StringKind:
		words := []string{"", "doc", "user", "a/b", strings.Repeat("x", 130), strings.Repeat("x", 20_000), "ä€😀", "\x00"}
		return protoreflect.ValueOfString(words[rng.IntN(len(words))])
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(int32(number)))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(number)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(number))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number&1 == 1)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("bytes"))
	}
	panic(f.Kind())
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := Codec{}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	return data.Materialize()
}

// split is b in two buffers, as it may come from the wire.
func split(b []byte, at int) mem.BufferSlice {
	if at == 0 || at >= len(b) {
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}
	return mem.BufferSlice{mem.SliceBuffer(b[:at]), mem.SliceBuffer(b[at:])}
}

func TestCodec_WritesAndReadsWhatTheLibraryDoes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 800 {
		for _, m := range messages() {
			fill(rng, m.ProtoReflect(), 4)
			b := encoded(t, m)
			want, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, want) {
				t.Fatalf("%T %v:\n%x, the library\n%x", m, m, b, want)
			}
			got := m.ProtoReflect().New().Interface()
			fill(rng, got.ProtoReflect(), 1) // a message that is used again
			if err := (Codec{}).Unmarshal(split(b, rng.IntN(len(b)+1)), got); err != nil || !proto.Equal(got, m) {
				t.Fatalf("%T: %v, %v\nwant %v", m, err, got, m)
			}
		}
	}
}

// The code of this package must be what does it, or it measures nothing.
func TestCodec_KnowsChecks(t *testing.T) {
	for _, m := range typical() {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if e := new(encoder); !e.message(m) {
			t.Errorf("%T is left to the library when it is written", m)
		}
		if !decode(split(b, 0), m.ProtoReflect().New().Interface()) {
			t.Errorf("%T is left to the library when it is read", m)
		}
	}
}

func TestCodec_RefusesWhatIsNotUTF8(t *testing.T) {
	m := &pb.CheckRequest{Object: &pb.Object{Type: "doc", Id: "\xff"}}
	if _, err := (Codec{}).Marshal(m); err == nil {
		t.Error("written")
	}
	b := []byte{0x1a, 1, 0xff} // a permission
	if err := (Codec{}).Unmarshal(split(b, 0), m); err == nil {
		t.Error("read")
	}
}

func TestCodec_RefusesWhatIsNoMessage(t *testing.T) {
	if _, err := (Codec{}).Marshal("text"); err == nil {
		t.Error("written")
	}
	if err := (Codec{}).Unmarshal(nil, new(string)); err == nil {
		t.Error("read")
	}
}

// typical are messages as services exchange them.
func typical() []proto.Message {
	reply := &pb.CheckResponse{
		Decision: pb.Decision_DECISION_ALLOWED, Work: &pb.Work{Steps: 4, Reads: 20}, Token: strings.Repeat("t", 40),
	}
	ask := &pb.CheckRequest{
		Object: &pb.Object{Type: "instance", Id: "o12-i23456"}, Permission: "update",
		Subject:     &pb.Subject{Type: "user", Id: "o12-u345"},
		Consistency: &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: strings.Repeat("t", 40)}},
	}
	batch, results := &pb.BatchCheckRequest{Tenant: "t"}, &pb.BatchCheckResponse{Token: reply.Token}
	for range 32 {
		batch.Items = append(batch.Items, &pb.BatchCheckItem{Object: ask.Object, Permission: ask.Permission, Subject: ask.Subject})
		results.Results = append(results.Results, &pb.BatchCheckResult{Decision: reply.Decision, Work: reply.Work})
	}
	frame, answers := &pb.CheckFrame{Texts: []string{"instance", "user", "update"}, TimeoutMs: 5000}, &pb.CheckFrameAnswer{Token: reply.Token}
	for i := range uint32(32) {
		frame.Texts = append(frame.Texts, ask.Object.Id, ask.Subject.Id)
		frame.Questions = append(frame.Questions, 1, 2*i+4, 3, 2, 2*i+5, 0)
		answers.Decisions = append(answers.Decisions, reply.Decision)
		answers.Steps, answers.Reads = append(answers.Steps, reply.Work.Steps), append(answers.Reads, reply.Work.Reads)
	}
	objects, subjects := &pb.ListObjectsResponse{Token: reply.Token, Count: 512}, &pb.ListSubjectsResponse{Token: reply.Token, Count: 512}
	for range 512 {
		objects.Objects = append(objects.Objects, &pb.ListedObject{Id: ask.Object.Id, Decision: reply.Decision})
		subjects.Subjects = append(subjects.Subjects, &pb.ListedSubject{Id: ask.Subject.Id, Decision: reply.Decision})
	}
	return []proto.Message{
		ask, reply, batch, results, objects, subjects,
		&pb.StreamCheckRequest{Id: 1, Question: &pb.StreamCheckRequest_Frame{Frame: frame}},
		&pb.StreamCheckResponse{Id: 1, Answer: &pb.StreamCheckResponse_Frame{Frame: answers}},
		&pb.StreamCheckRequest{Id: 1, Question: &pb.StreamCheckRequest_Check{Check: ask}},
		&pb.StreamCheckResponse{Id: 1, Answer: &pb.StreamCheckResponse_Check{Check: reply}},
		&pb.StreamCheckRequest{Id: 1, Question: &pb.StreamCheckRequest_Batch{Batch: batch}},
		&pb.StreamCheckResponse{Id: 1, Answer: &pb.StreamCheckResponse_Batch{Batch: results}},
	}
}

// FuzzCodec_ReadsWhatTheLibraryReads: whatever comes, message or error are those of the library.
func FuzzCodec_ReadsWhatTheLibraryReads(f *testing.F) {
	for i, m := range typical() {
		b, _ := proto.Marshal(m)
		f.Add(i, b)
		f.Add(4+i%2, b) // as one of a stream
	}
	f.Add(0, []byte{0, 1, 2})
	f.Add(0, []byte{0x0a, 1, 'a', 0x0a, 1, 'b'})
	f.Add(0, []byte{0x12, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f})
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		kinds := messages()
		want := kinds[uint(kind)%uint(len(kinds))]
		got := want.ProtoReflect().New().Interface()
		errWant := proto.Unmarshal(b, want)
		err := Codec{}.Unmarshal(split(b, len(b)/2), got)
		if (err != nil) != (errWant != nil) {
			t.Fatalf("%v, the library: %v", err, errWant)
		}
		if err == nil && !proto.Equal(got, want) {
			t.Fatalf("%v, the library: %v", got, want)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	for _, m := range typical() {
		name := string(m.ProtoReflect().Descriptor().Name())
		data := encoded(b, m)
		b.Run("write/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, _ := Codec{}.Marshal(m)
				out.Free()
			}
		})
		b.Run("write/"+name+"/library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, _ := marshal(m)
				out.Free()
			}
		})
		b.Run("read/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				(Codec{}).Unmarshal(split(data, 0), m.ProtoReflect().New().Interface())
			}
		})
		b.Run("read/"+name+"/library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				proto.Unmarshal(data, m.ProtoReflect().New().Interface())
			}
		})
	}
}
