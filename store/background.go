package store

import (
	"slices"
	"time"
)

// mostAtOnce is the number of elements that are copied while the writer waits:
// about half a millisecond.
const mostAtOnce = 512

// work has a tenant's space reclaimed: at once if that is little, otherwise
// in steps between which the writer goes on, on a goroutine that ends with the
// work. What it does shows in no answer.
func (s *Store) work(sp *space) {
	if slices.Contains(s.works, sp) {
		return
	}
	s.works = append(s.works, sp)
	if s.opts.copyStep == 0 && len(s.works) == 1 {
		go s.reclaimAll()
	}
}

func (s *Store) reclaimAll() {
	for {
		began := time.Now()
		s.writeMu.Lock()
		more := s.reclaim(mostAtOnce)
		s.writeMu.Unlock()
		if !more {
			return
		}
		time.Sleep(time.Since(began)) // the half of a processor at most
	}
}

// reclaim takes one step, and reports whether there is more to do.
func (s *Store) reclaim(n int) (more bool) {
	st := s.state.Load()
	for len(s.works) > 0 {
		sp := s.works[0]
		if st.space(sp.info.Name) == sp && sp.reclaim(n, st.horizon) {
			return true
		}
		s.works = s.works[1:]
	}
	return false
}
