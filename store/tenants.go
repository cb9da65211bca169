package store

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// tenantShards is a power of two. Creating or deleting a tenant copies one
// shard and the list of shards.
const tenantShards = 256

// tenantMap holds tenants by name. It is immutable: with and without return
// another one that shares all shards but one. The zero value is empty.
type tenantMap struct {
	shards *[tenantShards]map[string]*space // nil = empty
}

func tenantShard(name string) int {
	return int(maphash.String(hashSeed, name) & (tenantShards - 1))
}

// get returns the tenant called name, nil if there is none.
func (m tenantMap) get(name string) *space {
	if m.shards == nil {
		return nil
	}
	return m.shards[tenantShard(name)][name]
}

// with returns m with sp in it.
func (m tenantMap) with(sp *space) tenantMap {
	m, shard := m.copied(sp.info.Name)
	shard[sp.info.Name] = sp
	return m
}

// without returns m without the tenant called name.
func (m tenantMap) without(name string) tenantMap {
	m, shard := m.copied(name)
	delete(shard, name)
	return m
}

// copied returns m with a shard of its own for name.
func (m tenantMap) copied(name string) (tenantMap, map[string]*space) {
	next := new([tenantShards]map[string]*space)
	if m.shards != nil {
		*next = *m.shards
	}
	k := tenantShard(name)
	shard := make(map[string]*space, len(next[k])+1)
	for n, sp := range next[k] {
		shard[n] = sp
	}
	next[k] = shard
	return tenantMap{next}, shard
}

// all yields the tenants in no order.
func (m tenantMap) all() iter.Seq[*space] {
	return func(yield func(*space) bool) {
		if m.shards == nil {
			return
		}
		for _, shard := range m.shards {
			for _, sp := range shard {
				if !yield(sp) {
					return
				}
			}
		}
	}
}

// sorted lists the tenants in the order of their names.
func (m tenantMap) sorted() []*space {
	return slices.SortedFunc(m.all(), func(a, b *space) int { return strings.Compare(a.info.Name, b.info.Name) })
}
