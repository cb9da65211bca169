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
	block := p.body[uint32(second):]
	prefetch.Line(unsafe.Pointer(&block[0]))
	if len(block) > lineWords {
		prefetch.Line(unsafe.Pointer(&block[lineWords]))
	}
}

// lineWords is how many words a line of memory has on most machines.
const lineWords = 8

// prefetch begins to read where the search will begin.
func (p *probe) prefetch() {
	if slots := *p.slots; p.at < len(slots) {
		prefetch.Line(unsafe.Pointer(&slots[p.at]))
	}
}
