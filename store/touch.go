package store

import (
	"unsafe"

	"github.com/pemba-authz/pemba/internal/prefetch"
)

// Touch begins to read what looking at a node begins with, so that it comes while
// something else is done.
func (v *View) Touch(n Node) {
	if n <= Node(v.g.nodes.len()) {
		v.g.touch(n)
	}
}

// TouchRows is Touch for what comes next. It waits for what Touch has begun to read.
func (v *View) TouchRows(n Node) {
	if n <= Node(v.g.nodes.len()) {
		v.g.touchRows(n)
	}
}

func (g *generation) touch(n Node) {
	if n != 0 {
		p, at := g.nodes.at(n)
		prefetch.Line(unsafe.Pointer(&p.records[at]))
	}
}

func (g *generation) touchRows(n Node) {
	if n == 0 {
		return
	}
	p, at := g.nodes.at(n)
	second := load(&p.records[at+wordSecond])
	if second>>61 != isBlock>>61 {
		return // the rows are what touch has begun to read
	}
	p.touchBlock(second)
}

// touchBlock begins to read a block by the value that leads to it.
func (p *page) touchBlock(value uint64) {
	words := min(blockWords(int(value>>32&mostRoom)), mostTouched)
	prefetch.Lines(unsafe.Pointer(&p.body[uint32(value)]), 8*words)
}

// mostTouched is how many words of a block are read ahead.
const mostTouched = 64

// prefetch begins to read where the search will begin.
func (p *probe) prefetch() {
	if slots := *p.slots; p.at < len(slots) {
		prefetch.Line(unsafe.Pointer(&slots[p.at]))
	}
}

// TouchObjects begins to read what PlainObjects reads of a row that is a list. It
// waits for what TouchRows has begun to read.
func (v *View) TouchObjects(subject Node, shape ShapeID) {
	p, at := v.g.nodes.at(subject)
	if value := p.value(at, keyOf(shape, reverse)); value >= isList && value < isBlock {
		prefetch.Line(unsafe.Pointer(&p.body[uint32(value)]))
	}
}
