package codec

import (
	"encoding/binary"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// packed writes numbers as one field, unless there are none.
func (e *encoder) packed(field byte, n int, at func(int) uint64) {
	if n == 0 {
		return
	}
	start := e.open(field)
	for i := range n {
		e.b = binary.AppendUvarint(e.b, at(i))
	}
	e.close(start)
}

func (e *encoder) frame(m *pb.CheckFrame) {
	e.known(m)
	e.string(1, m.Tenant)
	e.consistency(2, m.Consistency)
	for _, text := range m.Texts {
		e.element(3, text)
	}
	e.packed(4, len(m.Questions), func(i int) uint64 { return uint64(m.Questions[i]) })
	for _, c := range m.Contexts {
		start := e.open(5)
		if c != nil {
			e.known(c)
			e.varint(1, uint64(c.Question))
			e.string(2, c.ContextJson)
		}
		e.close(start)
	}
	e.varint(6, uint64(m.TimeoutMs))
}

// frameAnswer leaves answers with errors or missing context to the library.
func (e *encoder) frameAnswer(m *pb.CheckFrameAnswer) {
	e.known(m)
	e.no = e.no || len(m.Missing) > 0 || len(m.Errors) > 0
	e.packed(1, len(m.Questions), func(i int) uint64 { return uint64(m.Questions[i]) })
	e.packed(2, len(m.Decisions), func(i int) uint64 { return uint64(int64(m.Decisions[i])) })
	e.packed(3, len(m.Steps), func(i int) uint64 { return uint64(int64(m.Steps[i])) })
	e.packed(4, len(m.Reads), func(i int) uint64 { return uint64(int64(m.Reads[i])) })
	e.string(7, m.Token)
	e.time(8, m.DecisionTime)
}
