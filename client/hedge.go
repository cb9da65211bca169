package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxHedging bounds the second attempts under way, so that servers that are slow
// because they have too much to do are not given twice as much.
const maxHedging = 16

// A hedge waits beside an attempt at a read, and makes a second one on another
// server when the first takes long. It is used again and again.
type hedge struct {
	client *Client
	timer  *time.Timer // runs run

	mu     sync.Mutex
	call   hedged
	over   bool          // guarded by mu: the first attempt has ended
	begun  bool          // guarded by mu: the second attempt has begun
	done   chan struct{} // closed when that has ended; made when it begins
	cancel func()        // ends it
	reply  proto.Message // its answer; read after done
	err    error         // its error; read after done
}

// hedged is the read that a hedge is for.
type hedged struct {
	ctx    context.Context // of both attempts, without the first's own end
	server *server         // the first
	other  *server         // where the second goes, nil = there is none
	method string
	in     proto.Message
	out    proto.Message            // the first's
	kind   protoreflect.MessageType // out's: the first attempt writes to out itself
	cancel func()                   // ends the first
}

// hedge returns one that is not in use.
func (c *Client) hedge() *hedge {
	if h, _ := c.hedges.Get().(*hedge); h != nil {
		return h
	}
	h := &hedge{client: c}
	h.timer = time.AfterFunc(time.Hour, h.run)
	h.timer.Stop()
	return h
}

// begin starts the wait.
func (h *hedge) begin(call hedged) {
	h.mu.Lock()
	h.call, h.over, h.begun = call, false, false
	h.mu.Unlock()
	if call.other != nil {
		h.timer.Reset(h.client.config.HedgeAfter)
	}
}

// end says that the first attempt has ended, and reports whether that was all.
// If so h can be used again; if not, settle follows.
func (h *hedge) end() bool {
	stopped := h.call.other == nil || h.timer.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !stopped && !h.begun {
		// run is on its way and will find that it is over.
		h.over = true
		return false
	}
	h.over = true
	if !h.begun {
		h.call = hedged{}
	}
	return !h.begun
}

// run makes the second attempt. Where too many are under way, it waits again,
// unless the first server is known to be down by now.
func (h *hedge) run() {
	c := h.client
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return
	}
	if c.hedging.Add(1) > maxHedging && !h.call.server.down.Load() {
		c.hedging.Add(-1)
		h.timer.Reset(c.config.HedgeAfter)
		h.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(h.call.ctx)
	h.begun, h.done, h.cancel = true, make(chan struct{}), cancel
	call := h.call
	h.mu.Unlock()
	defer c.hedging.Add(-1)
	defer cancel()
	reply := call.kind.New().Interface()
	err := call.other.conn.Invoke(c.outgoing(ctx), call.method, call.in, reply, static...)
	h.mu.Lock()
	h.reply, h.err = reply, err
	close(h.done)
	first := h.over
	h.mu.Unlock()
	if !first && err == nil {
		call.cancel()
	}
}

// settle returns the answer of whichever attempt has one, after the first has
// ended with err.
func (h *hedge) settle(err error, tried *uint64) (proto.Message, *server, error) {
	h.mu.Lock()
	begun, call := h.begun, h.call
	h.mu.Unlock()
	if !begun {
		return call.out, call.server, err
	}
	*tried |= call.other.bit
	if err == nil || cureOf(errorOf(call.server.addr, err)) == nothing {
		h.cancel()
		return call.out, call.server, err
	}
	<-h.done
	if h.err != nil {
		if cureOf(errorOf(call.server.addr, err)) == elsewhere && call.ctx.Err() == nil {
			h.client.suspect(call.server)
		}
		return h.reply, call.other, h.err
	}
	// The other one was quicker although it began later.
	if call.server.slow.Add(1) >= tooSlow {
		h.client.suspect(call.server)
	}
	return h.reply, call.other, nil
}
