package store

import (
	"iter"
	"slices"
	"strings"
)

// Records yields the records whose keys begin with prefix, by key. The values
// are shared: read only. It looks at every version of every record that the
// tenant has in memory.
func (v View) Records(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(key string, value []byte) bool) {
		for _, key := range v.g.records.keys(prefix) {
			if r := v.g.records.at(key, v.rev); r != nil && !yield(key, r.value) {
				return
			}
		}
	}
}

// keys lists the keys with that prefix that some version has, sorted.
func (r *records) keys(prefix string) []string {
	var out []string
	for ref := uint32(1); ref <= r.versions.len(); ref++ {
		if v := r.versions.at(ref); v.older == 0 && strings.HasPrefix(v.key, prefix) {
			out = append(out, v.key)
		}
	}
	slices.Sort(out)
	return out
}
