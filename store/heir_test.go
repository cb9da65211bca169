package store

import "testing"

// The horizon passes a deletion after the copy has what was deleted: it must not
// come back to life.
func TestHeir_ADeletedRecordStaysDeleted(t *testing.T) {
	s := ready(t)
	record := func(rev uint64, u RecordUpdate) {
		apply(t, s, rev, Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{u}})
	}
	record(2, RecordUpdate{Key: "key", Value: []byte("x")})
	record(3, RecordUpdate{Key: "key", Delete: true})
	g := s.state.Load().space("default").gen.Load()
	h := newHeir(g)
	for h.records.len() < g.records.newest("key")-1 {
		h.step(1, 2)
	}
	h.step(1<<20, 3)
	to := h.finish(3)
	for rev := uint64(3); rev < 5; rev++ {
		if r := to.records.at("key", rev); r != nil {
			t.Errorf("at %d there is %q of revision %d", rev, r.value, r.created)
		}
	}
}
