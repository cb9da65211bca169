package store

// newPage returns a page with room for so many records and so many words.
func newPage(records, words int) *page {
	w := make([]uint64, records*recordWords+1+words)
	n := records * recordWords
	return &page{records: w[:n:n], body: w[n:], used: 1}
}

// take returns the place of n free words, 0 if there are not as many.
func (p *page) take(n int) int {
	at := p.used
	if at+n > len(p.body) {
		return 0
	}
	p.used += n
	return at
}

// idle returns how many words are not in use.
func (p *page) idle() int { return len(p.body) - p.used + p.waste }

// setName begins a record.
func (p *page) setName(at int, name text) {
	store(&p.records[at+wordName], uint64(name)<<(64-textBits))
}

// row returns where the value of a row stands, nil if the node has no such row.
func (p *page) row(at int, key rowKey) *uint64 {
	r := p.records[at : at+recordWords]
	if second := r[wordSecond]; second>>61 == isBlock>>61 {
		block := uint64(uint32(second))
		if i := p.blockRow(block, key); i != 0 {
			return &p.body[i]
		}
		return nil
	}
	switch keys := r[wordKeys]; key {
	case rowKey(keys):
		return &r[wordFirst]
	case rowKey(keys >> 32):
		return &r[wordSecond]
	}
	return nil
}

// addRow gives a node another row with that value. It returns how many words
// it lacks, 0 if it is done.
func (p *page) addRow(at int, key rowKey, value uint64) (lack int) {
	r := p.records[at : at+recordWords]
	keys, second := r[wordKeys], r[wordSecond]
	switch {
	case second>>61 == isBlock>>61:
		lack = p.addToBlock(r, key, value)
	case keys == 0:
		store(&r[wordFirst], value)
		store(&r[wordKeys], uint64(key))
	case keys>>32 == 0:
		store(&r[wordSecond], value)
		store(&r[wordKeys], uint64(key)<<32|keys)
	default:
		const room = 4
		block := p.take(blockWords(room))
		if block == 0 {
			return blockWords(room)
		}
		p.body[block] = room
		p.putInBlock(block, rowKey(keys), r[wordFirst])
		p.putInBlock(block, rowKey(keys>>32), second)
		p.putInBlock(block, key, value)
		store(&r[wordSecond], blockOf(block, room))
	}
	if lack == 0 {
		store(&r[wordName], r[wordName]|key.bit())
	}
	return lack
}

// addToBlock adds a row to the block of a record, or to a larger copy.
func (p *page) addToBlock(r []uint64, key rowKey, value uint64) (lack int) {
	old := int(uint32(r[wordSecond]))
	rows, room := p.body[old]>>32, int(uint32(p.body[old]))
	if int(rows) < room {
		p.putInBlock(old, key, value)
		return 0
	}
	bigger := room + room/2 + 1
	block := p.take(blockWords(bigger))
	if block == 0 {
		return blockWords(bigger)
	}
	from, to := p.body[old:old+blockWords(room)], p.body[block:block+blockWords(bigger)]
	copy(to, from[:valuesAt(uint64(room))])
	copy(to[valuesAt(uint64(bigger)):], from[valuesAt(uint64(room)):])
	to[0] = rows<<32 | uint64(bigger)
	p.putInBlock(block, key, value)
	store(&r[wordSecond], blockOf(block, bigger))
	p.waste += blockWords(room)
	return 0
}

// blockOf returns the value that leads to a block. It has the room, too, so that all
// of the block is read at once (touchRows).
func blockOf(block, room int) uint64 {
	return isBlock | uint64(min(room, mostRoom))<<32 | uint64(block)
}

// mostRoom bounds the room that a value has.
const mostRoom = 1<<16 - 1

func blockWords(room int) int { return blockHead + room + (room+1)/2 }

// putInBlock adds a row to a block that has the room.
func (p *page) putInBlock(block int, key rowKey, value uint64) {
	rows, room := int(p.body[block]>>32), int(uint32(p.body[block]))
	store(&p.body[block+int(valuesAt(uint64(room)))+rows], value)
	keys := &p.body[block+blockHead+rows>>1]
	store(keys, *keys|uint64(key)<<(32*(rows&1)))
	mask := &p.body[block+1+int(key.dir())]
	store(mask, *mask|uint64(key.shape().Mask()))
	store(&p.body[block], uint64(rows+1)<<32|uint64(room))
}

// listHead is the first word of a list.
type listHead uint64

func headOf(counters uint32, room, n int) listHead {
	return listHead(uint64(counters)<<32 | uint64(room)<<16 | uint64(n))
}

func (h listHead) counters() uint32 { return uint32(h >> 32) }
func (h listHead) room() int        { return int(h >> 16 & 0xffff) }
func (h listHead) len() int         { return int(h & 0xffff) }

// appendTo adds a posting to the row with that value, which has fewer than
// mostListed. It returns how many words it lacks, 0 if it is done.
func (p *page) appendTo(value *uint64, x posting) (lack int) {
	if *value < isList {
		at := p.take(3)
		if at == 0 {
			return 3
		}
		p.body[at], p.body[at+1], p.body[at+2] = uint64(headOf(0, 2, 2)), *value, uint64(x)
		store(value, isList|uint64(at))
		return 0
	}
	list := int(uint32(*value))
	h := listHead(p.body[list])
	n := h.len()
	if n < h.room() {
		store(&p.body[list+1+n], uint64(x))
		store(&p.body[list], uint64(headOf(h.counters(), h.room(), n+1)))
		return 0
	}
	room := min(n+n/2+1, mostListed)
	at := p.take(1 + room)
	if at == 0 {
		return 1 + room
	}
	copy(p.body[at+1:], p.body[list+1:list+1+n])
	p.body[at+1+n] = uint64(x)
	p.body[at] = uint64(headOf(h.counters(), room, n+1))
	store(value, isList|uint64(at))
	p.waste += 1 + h.room()
	return 0
}

// grown returns a page of the same content with room for so many records, and
// so many words more.
func (p *page) grown(records, more int) *page {
	to := newPage(records, len(p.body)-1+more)
	copy(to.records, p.records)
	copy(to.body, p.body[:p.used])
	to.used, to.waste, to.written = p.used, p.waste, p.written
	return to
}

// packed returns a page of the same content without what nothing leads to,
// and with so many words more.
func (p *page) packed(more int) *page {
	inUse := 0
	for at := 0; at < len(p.records); at += recordWords {
		inUse += p.wordsOf(at)
	}
	to := newPage(len(p.records)/recordWords, inUse+more)
	to.written = p.written
	for at := 0; at < len(p.records); at += recordWords {
		to.copyNode(p, at)
	}
	return to
}

// wordsOf returns how many words of the body a node takes when packed.
func (p *page) wordsOf(at int) (n int) {
	rows := 0
	p.rows(at, func(_ rowKey, value *uint64) {
		rows++
		if v := *value; v >= isList && v < isBlock {
			n += 1 + listHead(p.body[uint32(v)]).len()
		}
	})
	if rows > 2 {
		n += blockWords(rows)
	}
	return n
}

// copyNode copies a node from a page to the same place of another, which has
// the room. A block is followed by its lists.
func (p *page) copyNode(from *page, at int) {
	r, old := p.records[at:at+recordWords], from.records[at:at+recordWords]
	r[wordName], r[wordKeys] = old[wordName], old[wordKeys]
	if old[wordSecond]>>61 != isBlock>>61 {
		r[wordFirst], r[wordSecond] = p.copyList(from, old[wordFirst]), p.copyList(from, old[wordSecond])
		return
	}
	rows := int(from.body[uint32(old[wordSecond])] >> 32)
	block := p.take(blockWords(rows))
	p.body[block] = uint64(rows)
	from.rows(at, func(key rowKey, value *uint64) { p.putInBlock(block, key, p.copyList(from, *value)) })
	r[wordSecond] = blockOf(block, rows)
}

// copyList copies a value and, if it has one, its list.
func (p *page) copyList(from *page, v uint64) uint64 {
	if v < isList || v >= isBlock {
		return v
	}
	list := int(uint32(v))
	h := listHead(from.body[list])
	at := p.take(1 + h.len())
	p.body[at] = uint64(headOf(h.counters(), h.len(), h.len()))
	copy(p.body[at+1:], from.body[list+1:list+1+h.len()])
	return isList | uint64(at)
}
