package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// Hash returns a digest of all that lies above the horizon: tuples and records
// with the revisions of their lives, tenants, kept outcomes, clock and
// identity. Two stores that applied the same entries have the same hash,
// whatever was collected or restored in between. It reads everything and holds
// up the writer meanwhile.
func (s *Store) Hash() (rev uint64, sum [32]byte) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	c := s.captureLocked()
	var h hashSum
	h.add('m', c.meta())
	for _, sp := range c.spaces {
		c.hashTenant(&h, sp)
	}
	for i := range c.requests {
		q := c.requests[i]
		q.outcome.Detail = "" // words for people may change between versions
		h.add('q', q.append(h.scratch()))
	}
	return c.state.revision, h.sum()
}

func (c *Capture) hashTenant(h *hashSum, sp captured) {
	tenant := appendString(nil, sp.info.Name)
	tenant = binary.AppendUvarint(tenant, sp.info.Incarnation)
	h.add('t', tenant)
	view := View{g: sp.gen, rev: c.state.revision}
	for ref := uint32(1); ref <= sp.facts; ref++ {
		created, deleted, keep := c.life(&sp, ref)
		if !keep {
			continue
		}
		b := append(h.scratch(), tenant...)
		b = appendTuple(b, view.Tuple(sp.gen.value(sp.gen.facts.at(ref))))
		b = binary.AppendUvarint(b, created)
		h.add('f', binary.AppendUvarint(b, deleted))
	}
	for _, v := range sp.gen.records.retained(c.state.horizon, c.state.revision) {
		b := append(h.scratch(), tenant...)
		b = appendString(b, v.key)
		b = append(b, flag(v.gone))
		b = appendString(b, string(v.value))
		h.add('r', binary.AppendUvarint(b, v.created))
	}
}

// hashSum adds up digests, so that the order of the parts does not count.
type hashSum struct {
	words [4]uint64
	buf   []byte
}

func (h *hashSum) scratch() []byte { return h.buf[:0] }

func (h *hashSum) add(kind byte, part []byte) {
	part = append(part, kind)
	h.buf = part
	d := sha256.Sum256(part)
	for i := range h.words {
		h.words[i] += binary.LittleEndian.Uint64(d[8*i:])
	}
}

func (h *hashSum) sum() (out [32]byte) {
	for i, w := range h.words {
		binary.LittleEndian.PutUint64(out[8*i:], w)
	}
	return out
}
