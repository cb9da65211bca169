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

// trail is where a node's newest schema of a layer is still being compiled. At the
// revision before it the schema is ready.
type trail struct {
	incarnation uint64
	before      uint64
	seen        time.Time     // when the newest view here was not beyond before
	lag         time.Duration // since the last contact with a leader then
}

// Follow compiles each schema of the layer as soon as this node has it, until ctx
// ends or the node does. Meanwhile questions with consistency Any are answered
// from the last view before that schema, as long as this is not staler than Any
// may be; all others wait. One call at a time.
func (l *Layer) Follow(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	at := trail{seen: time.Now(), lag: l.opts.MaxStaleness} // nothing is known yet
	for {
		now, lag, upTo := time.Now(), l.node.LastContact(), l.node.Store().Revision()
		if v, err := l.node.Store().View(l.tenant, 0); err == nil {
			l.prepare(ctx, v, at)
		}
		at.seen, at.lag = now, lag
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

// prepare compiles the schema at v if that has not been done; at says when there
// was none that had not been. What is wrong with it is told to those who ask.
func (l *Layer) prepare(ctx context.Context, v store.View, at trail) {
	source, rev, ok := v.Record(store.SchemaRecord)
	if c := l.graphs.lastOf(v.Incarnation()).Load(); !ok || c != nil && c.is(v, rev, source) {
		return
	}
	at.incarnation, at.before = v.Incarnation(), rev-1
	l.trail.Store(&at)
	_, _, _ = l.graphOf(ctx, v)
	l.trail.Store(nil)
}

// viewBefore returns the last view before a schema that is being compiled, where a
// question with consistency Any may be answered from it.
func (l *Layer) viewBefore() (v store.View, ok bool) {
	at := l.trail.Load()
	if at == nil || at.lag+time.Since(at.seen) > l.opts.MaxStaleness || l.fresh() != nil {
		return v, false
	}
	v, err := l.node.Store().View(l.tenant, at.before)
	if err != nil || v.Incarnation() != at.incarnation {
		return v, false
	}
	source, rev, ok := v.Record(store.SchemaRecord)
	if !ok {
		return v, false
	}
	c := l.graphs.lastOf(v.Incarnation()).Load()
	return v, c != nil && c.is(v, rev, source)
}
