package store

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// buildRows makes all rows from the facts, which are in none yet. The pages that
// it makes are as small as can be. It works on several processors, and takes 64 MiB
// on each for a while. It finds two versions of a tuple that do not follow
// each other, which is an error.
func (g *generation) buildRows() error {
	b := builder{g: g, postings: make([]int, g.nodes.pages()+1)}
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		f := g.facts.at(ref)
		b.postings[f.object>>pageBits]++
		b.postings[f.subject>>pageBits]++
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 1+int(g.facts.len())/factsPerSection) {
		workers.Go(b.work)
	}
	workers.Wait()
	return b.err
}

// mostPlaced is the number of postings that a worker sorts at a time, unless
// one page has more.
const mostPlaced = 4 << 20

// builder builds ranges of pages, each by reading all facts.
type builder struct {
	g        *generation
	postings []int // by page

	mu   sync.Mutex // guards the following, and what pages share: counters, big rows, pairs
	next int        // page that is to be built next
	err  error
}

// placed is a posting with its row.
type placed struct {
	node Node
	key  rowKey
	x    posting
}

func (b *builder) work() {
	var all, sorted []placed
	for {
		from, to := b.claim()
		if from == to {
			return
		}
		ends := make([]int, to-from) // of each page's share of all
		n := 0
		for i := range ends {
			ends[i] = n
			n += b.postings[from+i]
		}
		all = slices.Grow(all[:0], n)[:n]
		b.place(all, ends, from)
		start := 0
		for i, end := range ends {
			sorted = sortPlaced(all[start:end], sorted)
			if err := b.build(from+i, sorted); err != nil {
				b.mu.Lock()
				b.err = cmp.Or(b.err, err)
				b.mu.Unlock()
				return
			}
			start = end
		}
	}
}

// claim returns a range of pages that nobody has built, empty at the end.
func (b *builder) claim() (from, to int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from, to = b.next, b.next
	for n := 0; to < b.g.nodes.pages() && (to == from || n+b.postings[to] <= mostPlaced); to++ {
		n += b.postings[to]
	}
	b.next = to
	return from, to
}

// place sorts the postings of a range of pages by page. ends are the beginnings
// of their shares, and become the ends.
func (b *builder) place(all []placed, ends []int, from int) {
	g := b.g
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		f := g.facts.at(ref)
		x := posting(ref)
		if f.extra.Load() != 0 {
			x |= marked
		}
		if k := int(f.object>>pageBits) - from; k >= 0 && k < len(ends) {
			all[ends[k]] = placed{f.object, keyOf(f.shape, forward), posting(f.subject)<<32 | x}
			ends[k]++
		}
		if k := int(f.subject>>pageBits) - from; k >= 0 && k < len(ends) {
			all[ends[k]] = placed{f.subject, keyOf(f.shape, reverse), posting(f.object)<<32 | x}
			ends[k]++
		}
	}
}

// sortPlaced sorts a page's postings by node and row. Those of a row stay in
// their order. It uses the room of to for the result.
func sortPlaced(ps, to []placed) []placed {
	var ends [pageNodes]int
	for i := range ps {
		ends[ps[i].node&(pageNodes-1)]++
	}
	n := 0
	for i := range ends {
		ends[i], n = n, n+ends[i]
	}
	to = slices.Grow(to[:0], n)[:n]
	for i := range ps {
		end := &ends[ps[i].node&(pageNodes-1)]
		to[*end] = ps[i]
		*end++
	}
	start := 0
	for _, end := range ends {
		if end-start > 1 {
			slices.SortStableFunc(to[start:end], func(a, b placed) int { return cmp.Compare(a.key, b.key) })
		}
		start = end
	}
	return to
}

// build makes page k of its sorted postings.
func (b *builder) build(k int, ps []placed) error {
	old := (*b.g.nodes.dir.Load())[k].Load()
	p := newPage(len(old.records)/recordWords, wordsFor(ps))
	for at := 0; at < len(p.records); at += recordWords {
		p.records[at+wordName] = old.records[at+wordName]
	}
	for node := range runs(ps, func(a, b *placed) bool { return a.node == b.node }) {
		if err := b.buildNode(p, node); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.g.nodes.put(k, p)
	return nil
}

func sameRow(a, b *placed) bool { return a.node == b.node && a.key == b.key }

// runs yields the parts of ps whose elements are the same.
func runs(ps []placed, same func(a, b *placed) bool) func(yield func([]placed) bool) {
	return func(yield func([]placed) bool) {
		for i := 0; i < len(ps); {
			j := i + 1
			for j < len(ps) && same(&ps[i], &ps[j]) {
				j++
			}
			if !yield(ps[i:j]) {
				return
			}
			i = j
		}
	}
}

// wordsFor returns how many words of the body sorted postings take.
func wordsFor(ps []placed) (words int) {
	for node := range runs(ps, func(a, b *placed) bool { return a.node == b.node }) {
		rows := 0
		for row := range runs(node, sameRow) {
			if rows++; len(row) > 1 && len(row) <= mostListed {
				words += 1 + len(row)
			}
		}
		if rows > 2 {
			words += blockWords(rows)
		}
	}
	return words
}

// buildNode makes a node's rows of its postings.
func (b *builder) buildNode(p *page, ps []placed) error {
	at := int(ps[0].node&(pageNodes-1)) * recordWords
	rows := 0
	for range runs(ps, sameRow) {
		rows++
	}
	r := p.records[at : at+recordWords]
	block := 0
	if rows > 2 {
		block = p.take(blockWords(rows))
		p.body[block] = uint64(rows)
		r[wordSecond] = blockOf(block, rows)
	}
	for row := range runs(ps, sameRow) {
		value, err := b.buildRow(p, row)
		if err != nil {
			return err
		}
		if r[wordName] |= row[0].key.bit(); rows > 2 {
			p.putInBlock(block, row[0].key, value)
		} else {
			p.addRow(at, row[0].key, value)
		}
	}
	return nil
}

// buildRow makes a row and returns its value.
func (b *builder) buildRow(p *page, row []placed) (value uint64, err error) {
	if len(row) == 1 {
		return uint64(row[0].x), nil
	}
	if key := row[0].key; key.dir() == forward {
		if err := b.follow(row); err != nil {
			return 0, err
		}
	}
	if len(row) > mostListed {
		return b.big(row), nil
	}
	list := p.take(1 + len(row))
	to := p.body[list+1 : list+1+len(row)]
	for i := range row {
		to[i] = uint64(row[i].x)
	}
	var counters uint32
	if len(row) >= smallRow {
		b.mu.Lock()
		counters = b.share(row, postings{page: p, list: uint32(list) + 1, n: int32(len(to))})
		b.mu.Unlock()
	}
	p.body[list] = uint64(headOf(counters, len(row), len(row)))
	return isList | uint64(list), nil
}

// follow checks that of several versions of a tuple each names the one before
// it. The facts have been given that when they came, if one had ended before.
func (b *builder) follow(row []placed) error {
	byNode := row
	if !slices.IsSortedFunc(row, func(a, b placed) int { return cmp.Compare(a.x.node(), b.x.node()) }) {
		byNode = slices.Clone(row)
		slices.SortFunc(byNode, func(a, b placed) int {
			return cmp.Or(cmp.Compare(a.x.node(), b.x.node()), cmp.Compare(a.x.ref(), b.x.ref()))
		})
	}
	for i := 1; i < len(byNode); i++ {
		older, x := byNode[i-1].x, byNode[i].x
		if x.node() == older.node() && b.g.extra(b.g.facts.at(x.ref())).older != older.ref() {
			return fmt.Errorf("tuple version %d does not follow version %d", x.ref(), older.ref())
		}
	}
	return nil
}

// share makes what a longer row has in common with those of other pages.
func (b *builder) share(row []placed, r postings) (counters uint32) {
	if row[0].key.dir() == forward && len(row) > mostScanned {
		for i := range row {
			b.g.addPair(row[i].x.ref())
		}
	}
	return b.g.addCounters(r)
}

// big makes a row that lies outside the page, and returns its value.
func (b *builder) big(row []placed) (value uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ref, big := b.g.bigs.next()
	for i := range row {
		big.add(row[i].x)
	}
	big.counters = b.share(row, postings{big: big.chunks.Load(), n: int32(len(row))})
	b.g.bigs.publish()
	return bigList | uint64(ref)
}
