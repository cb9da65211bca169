//go:build faults

package store

// MoveHorizon moves the horizon without a command, which no replica may do: it
// is a bug for the fault harness to find.
func (s *Store) MoveHorizon(h uint64) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	next := *s.state.Load()
	if h > next.horizon && h <= next.revision {
		next.horizon = h
		s.state.Store(&next)
	}
}
