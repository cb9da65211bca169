package store

import "sync/atomic"

// nodes leads from a node to its page and its record there. One writer,
// lock-free readers: a node that a reader knows of has a page.
type nodes struct {
	dir atomic.Pointer[[]atomic.Pointer[page]]
	n   atomic.Uint32 // nodes, counted from 1
	// Writer only: words of all pages, and how many of them are not in use.
	words, unused int
	tidied        int // pages that have been looked at in this round
}

const firstRecords = 8 // of a page; it grows twofold

func (t *nodes) len() uint32 { return t.n.Load() }

// at returns a node's page and the place of its record there.
func (t *nodes) at(n Node) (p *page, at int) {
	return (*t.dir.Load())[n>>pageBits].Load(), int(n&(pageNodes-1)) * recordWords
}

// add makes a node with that name. Rows can be added to it; readers do not
// know of it yet.
func (t *nodes) add(name text) Node {
	n := Node(t.n.Load() + 1)
	k, i := int(n>>pageBits), int(n&(pageNodes-1))
	if p := t.dir.Load(); p == nil || k >= len(*p) {
		t.growDir(p)
	}
	p := (*t.dir.Load())[k].Load()
	if p == nil {
		p = newPage(firstRecords, firstRecords)
		t.put(k, p)
	} else if i >= len(p.records)/recordWords {
		p = p.grown(2*i, i)
		t.put(k, p)
	}
	p.setName(i*recordWords, name)
	t.n.Store(uint32(n))
	return n
}

func (t *nodes) growDir(p *[]atomic.Pointer[page]) {
	if p == nil {
		p = new([]atomic.Pointer[page])
	}
	dir := make([]atomic.Pointer[page], max(1, 2*len(*p)))
	for i := range *p {
		dir[i].Store((*p)[i].Load())
	}
	t.dir.Store(&dir)
}

// pages returns the number of pages.
func (t *nodes) pages() int {
	if t.dir.Load() == nil {
		return 0
	}
	return int(t.len()>>pageBits) + 1
}

// put replaces page k.
func (t *nodes) put(k int, p *page) {
	at := &(*t.dir.Load())[k]
	if old := at.Load(); old != nil {
		t.words -= len(old.body)
		t.unused -= old.idle()
	}
	t.words += len(p.body)
	t.unused += p.idle()
	at.Store(p)
}

// makeRoom replaces page k by one that has lack words more, and some to spare.
func (t *nodes) makeRoom(k, lack int) {
	p := (*t.dir.Load())[k].Load()
	if lack += len(p.body)/4 + 16; 4*p.waste > len(p.body) {
		t.put(k, p.packed(lack))
	} else {
		t.put(k, p.grown(len(p.records)/recordWords, lack))
	}
}

// leastLoose is the number of unused words from which pages are tidied.
const leastLoose = 64 << 10

// isLoose reports whether tidying is worth the work: an eighth of all words is
// not in use.
func (t *nodes) isLoose() bool { return t.unused >= leastLoose && 8*t.unused > t.words }

// tidy looks at n further pages, and copies those that have not been written to
// above the horizon without what is not in use. It reports whether there are
// more in this round.
func (t *nodes) tidy(n int, horizon uint64) (more bool) {
	for ; n > 0 && t.tidied < t.pages(); n-- {
		if p := (*t.dir.Load())[t.tidied].Load(); p.written <= horizon && 16*p.idle() > len(p.body) {
			t.put(t.tidied, p.packed(0))
		}
		t.tidied++
	}
	if t.tidied < t.pages() {
		return true
	}
	t.tidied = 0
	return false
}
