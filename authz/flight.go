package authz

import (
	"fmt"
	"runtime/debug"
)

// A flight is one compiling of a schema that is under way, for all who want it.
// It goes on when they have all left: the next one finds what it made.
type flight struct {
	source []byte
	done   chan struct{} // closed when the two below are set
	made   *compiled
	err    error
}

// findOrFly returns a schema that is kept, or else the flight that compiles it.
func (g *graphs) findOrFly(key graphKey, source []byte, compile func() (*compiled, error)) (*compiled, *flight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.findLocked(key, source); c != nil {
		return c, nil
	}
	f := g.flights[key]
	// One for an equal record, restored, may be of another history: see findLocked.
	if f == nil || !isSame(f.source, source) {
		f = &flight{source: source, done: make(chan struct{})}
		if g.flights == nil {
			g.flights = map[graphKey]*flight{}
		}
		g.flights[key] = f
		go g.fly(key, f, compile)
	}
	return nil, f
}

// fly compiles and keeps what comes of it; an error is not kept.
func (g *graphs) fly(key graphKey, f *flight, compile func() (*compiled, error)) {
	defer close(f.done)
	c, err := guarded(compile)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flights[key] == f {
		delete(g.flights, key)
	}
	if err != nil {
		f.err = err
		return
	}
	c.key, c.source = key, f.source
	f.made = g.keepLocked(c)
}

// guarded makes an error of a panic: this goroutine has no caller who would, and
// one tenant's schema must not end the node.
func guarded(compile func() (*compiled, error)) (c *compiled, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return compile()
}
