package check

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// key is all that an answer depends on except revision and time. Nodes mean
// something within one generation only, programs within one graph.
type key struct {
	graph      uint64
	generation uint64
	program    int32
	object     store.Node
	subject    graph.ResolvedSubject // the first of the set
	limits     graph.Limits
	others     int    // subjects in rest
	context    bool   // rest ends with the context
	rest       string // the other subjects and the context; empty while looking up
}

// lookup is a key whose rest is still in a buffer, so that asking allocates nothing.
type lookup struct {
	key
	rest   []byte
	hash   uint64
	buffer *[]byte // behind rest, nil = none
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// release gives the buffer back. k.rest must not be used any more.
func (k *lookup) release() {
	if k.buffer != nil {
		*k.buffer = k.rest
		buffers.Put(k.buffer)
	}
}

// keyOf returns the key of a question, and whether it has one. A question about
// an object that no tuple names has none, nor has one with contextual tuples.
// Subjects that no tuple names are one, which holds as long as they have no node.
func (c *Checker) keyOf(g *graph.Graph, v store.View, r *graph.Resolved) (k lookup, ok bool) {
	if !r.IsStored() {
		return k, false
	}
	subjects := r.Subjects()
	k.key = key{
		graph: g.ID(), generation: v.Generation(), program: r.Program, object: r.Object,
		subject: subjects[0], others: len(subjects) - 1, limits: r.Limits(), context: len(r.Context) > 0 && g.UsesContext(r),
	}
	if k.context || len(subjects) > 1 {
		k.buffer = buffers.Get().(*[]byte)
		k.rest = (*k.buffer)[:0]
	}
	for _, s := range subjects[1:] {
		k.rest = binary.LittleEndian.AppendUint32(k.rest, uint32(s.Type))
		k.rest = binary.LittleEndian.AppendUint32(k.rest, uint32(s.Program))
		k.rest = binary.LittleEndian.AppendUint32(k.rest, uint32(s.Node))
	}
	if k.context {
		if k.rest, ok = appendValue(k.rest, r.Context); !ok {
			k.release()
			return lookup{}, false
		}
	}
	k.hash = c.hash(&k)
	return k, true
}

func (k *lookup) equals(o *key) bool {
	stored := *o
	stored.rest = ""
	return k.key == stored && string(k.rest) == o.rest
}

// hash only chooses the place in the cache: keys are compared on a hit.
func (c *Checker) hash(k *lookup) uint64 {
	h := mix(c.seed, k.graph, k.generation)
	h = mix(h, uint64(uint32(k.program)), uint64(k.object))
	h = mix(h, uint64(uint32(k.subject.Program)), uint64(k.subject.Node))
	h = mix(h, uint64(k.limits.Depth), uint64(k.limits.Reads))
	for rest := k.rest; len(rest) > 0; {
		var word [8]byte
		n := copy(word[:], rest)
		h = mix(h, binary.LittleEndian.Uint64(word[:]), uint64(n))
		rest = rest[n:]
	}
	return h
}

func mix(seed, a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^seed, b^0x9e3779b97f4a7c15)
	hi, lo = bits.Mul64(hi^lo^seed, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// appendValue appends a JSON value unambiguously, as tuple.DecodeContext gives
// it. Values of other types make a question that is not cached.
func appendValue(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return append(dst, 'n'), true
	case bool:
		if v {
			return append(dst, 't'), true
		}
		return append(dst, 'f'), true
	case string:
		return appendText(append(dst, 's'), v), true
	case json.Number:
		return appendText(append(dst, '#'), string(v)), true
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, 'd'), math.Float64bits(v)), true
	case []any:
		dst = binary.AppendUvarint(append(dst, '['), uint64(len(v)))
		ok := true
		for i := 0; ok && i < len(v); i++ {
			dst, ok = appendValue(dst, v[i])
		}
		return dst, ok
	case map[string]any:
		return appendMap(dst, v)
	}
	return dst, false
}

func appendMap(dst []byte, m map[string]any) ([]byte, bool) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = binary.AppendUvarint(append(dst, '{'), uint64(len(m)))
	ok := true
	for i := 0; ok && i < len(names); i++ {
		dst, ok = appendValue(appendText(dst, names[i]), m[names[i]])
	}
	return dst, ok
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
