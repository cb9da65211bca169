package store

import (
	"sort"
	"sync"
)

// recordVersion is one version of a named record; fixed once published.
type recordVersion struct {
	key     string
	value   []byte
	created uint64
	gone    bool   // this version says that the record was deleted
	older   uint32 // previous version of the same key
}

// records holds a tenant's named records with their versions. mu guards index;
// versions are reached through it.
type records struct {
	versions slab[recordVersion]
	mu       sync.RWMutex
	index    map[string]uint32 // newest version by key
}

// put adds a version at rev. A second one at the same revision wins in views.
func (r *records) put(v recordVersion) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index == nil {
		r.index = map[string]uint32{}
	}
	v.older = r.index[v.key]
	ref, e := r.versions.next()
	*e = v
	r.versions.publish()
	r.index[v.key] = ref
	return ref
}

// at returns the version of key visible at rev, nil if there is none.
func (r *records) at(key string, rev uint64) *recordVersion {
	r.mu.RLock()
	ref := r.index[key]
	r.mu.RUnlock()
	for ref != 0 {
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

// changed returns the revision of the newest version of key, 0 if none is known.
func (r *records) changed(key string) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if ref := r.index[key]; ref != 0 {
		return r.versions.at(ref).created
	}
	return 0
}

// retained lists the versions that a view at or above the horizon can see,
// and those above it that say "deleted", by key and oldest first. Only the
// last of several versions of one key at one revision counts.
func (r *records) retained(horizon, rev uint64) []*recordVersion {
	r.mu.RLock()
	keys := make([]string, 0, len(r.index))
	for k := range r.index {
		keys = append(keys, k)
	}
	heads := make([]uint32, len(keys))
	sort.Strings(keys)
	for i, k := range keys {
		heads[i] = r.index[k]
	}
	r.mu.RUnlock()
	var out []*recordVersion
	for _, ref := range heads {
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
		reverseVersions(out[start:])
	}
	return out
}

func reverseVersions(v []*recordVersion) {
	for i, j := 0, len(v)-1; i < j; i, j = i+1, j-1 {
		v[i], v[j] = v[j], v[i]
	}
}
