package store

import (
	"hash/maphash"
	"slices"
	"strings"
)

// recordVersion is one version of a named record; fixed once published.
type recordVersion struct {
	key     string
	value   []byte
	created uint64
	gone    bool   // this version says that the record was deleted
	older   uint32 // previous version of the same key
	newer   uint32 // writer only: the next version, 0 if this is the newest
}

// records holds a tenant's named records with their versions. One writer,
// lock-free readers.
type records struct {
	versions slab[recordVersion]
	index    table // key -> newest version
}

func hashKey(key string) uint64 { return mix(mixSeed, maphash.String(hashSeed, key), 0) }

// newest returns the newest version of key, 0 if there is none.
func (r *records) newest(key string) uint32 {
	p := r.index.probe(hashKey(key))
	for ref := p.next(); ref != 0; ref = p.next() {
		if r.versions.at(ref).key == key {
			return ref
		}
	}
	return 0
}

// put adds a version. A second one at the same revision wins in views.
func (r *records) put(v recordVersion) uint32 {
	v.older = r.newest(v.key)
	ref, e := r.versions.next()
	*e = v
	r.versions.publish()
	if v.older != 0 {
		r.versions.at(v.older).newer = ref
		r.index.replace(hashKey(v.key), v.older, ref)
	} else {
		r.index.insert(hashKey(v.key), ref)
	}
	return ref
}

// at returns the version of key visible at rev, nil if there is none.
func (r *records) at(key string, rev uint64) *recordVersion {
	for ref := r.newest(key); ref != 0; {
		v := r.versions.at(ref)
		if v.created <= rev {
			if v.gone {
				return nil
			}
			return v
		}
		ref = v.older
	}
	return nil
}

// written returns the revisions up to rev that wrote key, newest first, and no
// more than one that does not lie above the horizon. A revision that wrote and
// deleted it counts by what it did last.
func (r *records) written(key string, horizon, rev uint64) []uint64 {
	var out []uint64
	later := uint64(0)
	for ref := r.newest(key); ref != 0; {
		v := r.versions.at(ref)
		ref = v.older
		if v.created > rev || v.created == later {
			continue
		}
		later = v.created
		if !v.gone {
			out = append(out, v.created)
		}
		if v.created <= horizon {
			break
		}
	}
	return out
}

// changed returns the revision of the newest version of key, 0 if none is known.
func (r *records) changed(key string) uint64 {
	if ref := r.newest(key); ref != 0 {
		return r.versions.at(ref).created
	}
	return 0
}

// heads lists the newest version of each key, by key.
func (r *records) heads() []uint32 {
	var out []uint32
	for ref := uint32(1); ref <= r.versions.len(); ref++ {
		if r.newest(r.versions.at(ref).key) == ref {
			out = append(out, ref)
		}
	}
	slices.SortFunc(out, func(a, b uint32) int {
		return strings.Compare(r.versions.at(a).key, r.versions.at(b).key)
	})
	return out
}

// retained lists the versions that a view at or above the horizon can see,
// and those above it that say "deleted", by key and oldest first. Only the
// last of several versions of one key at one revision counts.
func (r *records) retained(horizon, rev uint64) []*recordVersion {
	var out []*recordVersion
	for _, ref := range r.heads() {
		start := len(out)
		later := uint64(0)
		for ; ref != 0; ref = r.versions.at(ref).older {
			v := r.versions.at(ref)
			if v.created > rev || v.created == later {
				continue
			}
			later = v.created
			if v.created > horizon || !v.gone {
				out = append(out, v)
			}
			if v.created <= horizon {
				break
			}
		}
		slices.Reverse(out[start:])
	}
	return out
}
