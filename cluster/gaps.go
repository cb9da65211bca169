package cluster

import (
	"slices"
	"sort"
	"sync"
)

// gaps knows which log indexes hold no command: no-ops, barriers and
// configurations, which never reach the state machine and so are never an
// applied revision.
type gaps struct {
	mu   sync.Mutex // guards all below
	runs []run      // sorted, disjoint, no two of them adjacent

	// A restored snapshot covers the log up to base, and base was command's
	// index or followed it without another one. Log entries below say nothing.
	base, command uint64
}

type run struct{ lo, hi uint64 } // inclusive

// add says that lo..hi hold no command.
func (g *gaps) add(lo, hi uint64) {
	if lo > hi {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := sort.Search(len(g.runs), func(i int) bool { return g.runs[i].hi+1 >= lo })
	j := i
	for j < len(g.runs) && g.runs[j].lo <= hi+1 {
		lo, hi = min(lo, g.runs[j].lo), max(hi, g.runs[j].hi)
		j++
	}
	g.runs = slices.Replace(g.runs, i, j, run{lo, hi})
}

// restored says that a snapshot of the log up to index, whose last command was
// at command, replaced the state.
func (g *gaps) restored(index, command uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.base, g.command = index, command
}

// cut forgets all from index on: a follower's log is truncated there.
func (g *gaps) cut(index uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := len(g.runs); n > 0 && g.runs[n-1].hi >= index; n = len(g.runs) {
		if g.runs[n-1].lo < index {
			g.runs[n-1].hi = index - 1
			return
		}
		g.runs = g.runs[:n-1]
	}
}

// drop forgets what lies wholly below index; lastCommand is not asked there.
func (g *gaps) drop(index uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for n < len(g.runs) && g.runs[n].hi < index {
		n++
	}
	g.runs = slices.Delete(g.runs, 0, n)
}

// lastCommand returns the highest index at or below index that holds a
// command, 0 if there is none.
func (g *gaps) lastCommand(index uint64) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := sort.Search(len(g.runs), func(i int) bool { return g.runs[i].hi >= index })
	if i < len(g.runs) && g.runs[i].lo <= index {
		index = g.runs[i].lo - 1
	}
	if index <= g.base {
		index = min(index, g.command)
	}
	return index
}
