package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
)

// bbolt trusts its file: a damaged page is a panic or a fault in a goroutine
// that nobody can recover from. checkBolt reads the file by itself, before
// bbolt does, and returns what is wrong with it as an error.
//
// The format (go.etcd.io/bbolt/internal/common): pages of one size, in the
// byte order of the machine. A page starts with id u64, flags u16, count u16,
// overflow u32. Pages 0 and 1 are metas, written in turn; the newer one names the root page and the first page never used. Branch and leaf pages
// hold count elements and then keys and values; overflow pages follow on.
type boltFile struct {
	f        *os.File
	size     int64
	pageSize int64
	unused   uint64          // the first page never used
	seen     map[uint64]bool // pages that the tree refers to
	buckets  []string        // by name, in order
}

const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	boltHeader     = 16
	boltElement    = 16
	boltBranch     = 0x01
	boltLeaf       = 0x02
	boltMeta       = 0x04
	boltSubBucket  = 0x01
	boltBucketHead = 16
)

var ne = binary.NativeEndian

// checkBolt verifies the tree of a bbolt file. An absent or empty file is fine.
func checkBolt(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	b := &boltFile{f: f, size: info.Size(), seen: map[uint64]bool{0: true, 1: true}}
	root, err := b.readMeta()
	if err != nil {
		return err
	}
	if err := b.walk(root, new(keyOrder)); err != nil {
		return err
	}
	// raft-boltdb makes both at once, and makes anew what it does not find.
	if len(b.buckets) > 0 && !slices.Equal(b.buckets, []string{"conf", "logs"}) {
		return fmt.Errorf("its buckets are %q", b.buckets)
	}
	return nil
}

// readMeta returns the root page by the newer meta page. Both must be valid:
// bbolt writes them in turn, so that a bad one may have been the newer, and
// taking the other would undo the last acknowledged write. A write that power
// loss cut short does not leave one: the meta is 80 bytes of one disk sector.
func (b *boltFile) readMeta() (root uint64, err error) {
	if b.pageSize = b.findPageSize(); b.pageSize == 0 {
		return 0, errors.New("no valid meta page")
	}
	var newest uint64
	for at := range int64(2) {
		m, ok := b.metaAt(at, b.pageSize)
		if !ok {
			return 0, fmt.Errorf("meta page %d is damaged; the last write may be known to it alone", at)
		}
		if txid := ne.Uint64(m[48:]); at == 0 || txid > newest {
			newest, root, b.unused = txid, ne.Uint64(m[16:]), ne.Uint64(m[40:])
		}
	}
	return root, nil
}

// findPageSize returns the size that a valid meta page names, 0 = none is.
func (b *boltFile) findPageSize() int64 {
	for size := int64(512); size <= 64<<10; size <<= 1 {
		for at := range int64(2) {
			if _, ok := b.metaAt(at, size); ok {
				return size
			}
		}
	}
	return 0
}

// metaAt reads the meta of page at, and reports whether it is one of a file
// with such pages.
func (b *boltFile) metaAt(at, pageSize int64) ([]byte, bool) {
	page := make([]byte, boltHeader+64)
	_, err := b.f.ReadAt(page, at*pageSize)
	m := page[boltHeader:]
	headed := ne.Uint64(page) == uint64(at) && ne.Uint16(page[8:]) == boltMeta
	return m, err == nil && headed && validMeta(m) && int64(ne.Uint32(m[8:])) == pageSize
}

func validMeta(m []byte) bool {
	h := fnv.New64a()
	h.Write(m[:56])
	return ne.Uint32(m) == boltMagic && ne.Uint32(m[4:]) == boltVersion && ne.Uint64(m[56:]) == h.Sum64()
}

// keyOrder is how far the keys of a bucket have been walked.
type keyOrder struct {
	last  []byte // the last key of a leaf; nil = none yet
	least []byte // what the branches on the way promise of all that follow
}

// follows reports whether key may come next, below a branch or in a leaf.
func (o *keyOrder) follows(key []byte) error {
	if len(key) == 0 {
		return errors.New("a key is empty")
	}
	if o.last != nil && bytes.Compare(key, o.last) <= 0 || bytes.Compare(key, o.least) < 0 {
		return errors.New("keys are out of order")
	}
	return nil
}

// walk checks the subtree of page id.
func (b *boltFile) walk(id uint64, order *keyOrder) error {
	page, err := b.read(id)
	if err != nil {
		return err
	}
	if err := b.elements(page, order); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// read returns the bytes of page id and of those that it overflows into.
func (b *boltFile) read(id uint64) ([]byte, error) {
	if id >= b.unused || id >= uint64(b.size/b.pageSize) {
		return nil, fmt.Errorf("page %d is out of bounds", id)
	}
	head := make([]byte, boltHeader)
	if _, err := b.f.ReadAt(head, int64(id)*b.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	pages := uint64(ne.Uint32(head[12:])) + 1
	if ne.Uint64(head) != id || id+pages > b.unused || int64(id+pages)*b.pageSize > b.size {
		return nil, fmt.Errorf("page %d has a bad header", id)
	}
	for p := id; p < id+pages; p++ {
		if b.seen[p] {
			return nil, fmt.Errorf("page %d is referred to twice", p)
		}
		b.seen[p] = true
	}
	page := make([]byte, int64(pages)*b.pageSize)
	_, err := b.f.ReadAt(page, int64(id)*b.pageSize)
	return page, err
}

func (b *boltFile) elements(page []byte, order *keyOrder) error {
	flags, count := ne.Uint16(page[8:]), int(ne.Uint16(page[10:]))
	if flags != boltBranch && flags != boltLeaf {
		return fmt.Errorf("unexpected page type %#x", flags)
	}
	if boltHeader+count*boltElement > len(page) {
		return errors.New("too many elements")
	}
	if flags == boltBranch && count == 0 {
		return errors.New("a branch without elements")
	}
	if !countFits(page, flags, count) {
		return errors.New("the number of elements is not what was written")
	}
	for i := range count {
		at := boltHeader + i*boltElement
		var err error
		if flags == boltBranch {
			err = b.branch(page, at, order)
		} else {
			err = b.leaf(page, at, order)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// countFits checks the count of a page by where bbolt puts the first key: right
// behind the elements. A page that has lost its last elements would look sound.
func countFits(page []byte, flags uint16, count int) bool {
	if count == 0 {
		end := min(boltHeader+boltElement, len(page))
		return !slices.ContainsFunc(page[boltHeader:end], func(c byte) bool { return c != 0 })
	}
	pos := page[boltHeader:]
	if flags == boltLeaf {
		pos = pos[4:]
	}
	return ne.Uint32(pos) == uint32(count*boltElement)
}

// branch checks the element at offset at and the page it leads to.
func (b *boltFile) branch(page []byte, at int, order *keyOrder) error {
	pos, klen := uint64(ne.Uint32(page[at:])), uint64(ne.Uint32(page[at+4:]))
	key, err := cut(page, uint64(at)+pos, klen)
	if err != nil {
		return err
	}
	if err := order.follows(key); err != nil {
		return err
	}
	order.least = bytes.Clone(key)
	return b.walk(ne.Uint64(page[at+8:]), order)
}

// leaf checks the key and value at offset at, and the bucket that it may be.
func (b *boltFile) leaf(page []byte, at int, order *keyOrder) error {
	flags, pos := ne.Uint32(page[at:]), uint64(ne.Uint32(page[at+4:]))
	klen, vlen := uint64(ne.Uint32(page[at+8:])), uint64(ne.Uint32(page[at+12:]))
	kv, err := cut(page, uint64(at)+pos, klen+vlen)
	if err != nil {
		return err
	}
	key, value := kv[:klen], kv[klen:]
	if err := order.follows(key); err != nil {
		return err
	}
	order.last = append([]byte{}, key...)
	if flags&boltSubBucket == 0 {
		return nil
	}
	b.buckets = append(b.buckets, string(key))
	if len(value) < boltBucketHead {
		return errors.New("bucket without header")
	}
	if root := ne.Uint64(value); root != 0 {
		return b.walk(root, new(keyOrder))
	}
	// A bucket that fits into its parent's page: a leaf with a header of its own.
	if len(value) < boltBucketHead+boltHeader {
		return errors.New("inline bucket without page")
	}
	page = value[boltBucketHead:]
	if ne.Uint64(page) != 0 || ne.Uint16(page[8:]) != boltLeaf || ne.Uint32(page[12:]) != 0 {
		return errors.New("inline bucket with a bad header")
	}
	return b.elements(page, new(keyOrder))
}

func cut(page []byte, from, n uint64) ([]byte, error) {
	if from > uint64(len(page)) || n > uint64(len(page))-from {
		return nil, errors.New("it points beyond its page")
	}
	return page[from : from+n], nil
}
