package authz

import (
	"context"
	"errors"
	"time"

	"github.com/pemba-authz/pemba/store"
)

const (
	followPause = 10 * time.Millisecond // Follow looks no oftener, however many writes there are,
	followEvery = time.Second           // and no more seldom
)

// mark is a moment at which a layer's newest schema here was ready.
type mark struct {
	incarnation uint64
	revision    uint64 // of the newest view then
	seen        time.Time
	lag         time.Duration // since the last contact with a leader then
}

// Follow compiles each schema of the layer as soon as this node has it, until ctx
// ends or the node does. Meanwhile questions with consistency Any are answered
// from the last view before that schema, as long as this is not staler than Any
// may be; all others wait. One call at a time.
func (l *Layer) Follow(ctx context.Context) {
	defer l.mark.Store(nil)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		now, lag, upTo := time.Now(), l.node.LastContact(), l.node.Store().Revision()
		if v, err := l.node.Store().View(l.tenant, 0); err == nil {
			ready := l.isReady(v)
			if !ready { // what is wrong with it is told to those who ask
				_, _, err = l.graphOf(ctx, v)
				now, lag = time.Now(), l.node.LastContact()
				ready = err == nil && l.node.Store().Revision() == v.Revision()
			}
			if ready {
				l.mark.Store(&mark{v.Incarnation(), v.Revision(), now, lag})
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		pause.Reset(followPause)
		soon, cancel := context.WithTimeout(ctx, followEvery)
		err := l.node.Wait(soon, upTo+1)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return
		}
	}
}

// isReady reports whether the schema at v is the one that was compiled last.
func (l *Layer) isReady(v store.View) bool {
	source, rev, ok := v.Record(store.SchemaRecord)
	c := l.graphs.lastOf(v.Incarnation()).Load()
	return ok && c != nil && c.is(v, rev, source)
}

// viewBefore returns the last view before the schema at v, if that is not ready,
// but the one before it is, and an answer from there is not too old for Any.
//
// When the mark was made, this node had nothing of what follows that view: the
// schema at v came later.
func (l *Layer) viewBefore(v store.View) (before store.View, ok bool) {
	m := l.mark.Load()
	source, rev, written := v.Record(store.SchemaRecord)
	if m == nil || !written || m.incarnation != v.Incarnation() || m.revision >= rev || m.lag+time.Since(m.seen) > l.opts.MaxStaleness {
		return v, false
	}
	if l.graphs.keeps(keyOfSchema(v, rev, source), source) { // somebody may have had an answer from it
		return v, false
	}
	before, err := l.node.Store().View(l.tenant, rev-1)
	if err != nil || before.Incarnation() != m.incarnation || !l.isReady(before) {
		return v, false
	}
	return before, true
}
