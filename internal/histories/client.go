//go:build linux

package histories

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// attemptTimeout bounds one attempt of a client.
const attemptTimeout = 2 * time.Second

// token is a consistency token with what is in it.
type token struct {
	text string
	rev  uint64
}

// client is one of those that work on a cluster. One goroutine uses it.
type client struct {
	number  int
	cluster *cluster
	history *history
	rand    *rand.Rand
	last    token // newest that it was given; "" = none
	tokens  *pool
	trouble error         // of the last attempt to write
	clock   time.Duration // how wrong its clock is
}

// pool is some of the tokens that have been given, for "exactly".
type pool struct {
	mu   sync.Mutex
	some []token // guarded by mu
}

func (p *pool) add(r *rand.Rand, t token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.some) < 64 {
		p.some = append(p.some, t)
	} else {
		p.some[r.IntN(len(p.some))] = t
	}
}

func (p *pool) pick(r *rand.Rand) (token, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.some) == 0 {
		return token{}, false
	}
	return p.some[r.IntN(len(p.some))], true
}

// anyNode returns one of the nodes.
func (c *client) anyNode() *node { return c.cluster.nodes[c.rand.IntN(len(c.cluster.nodes))] }

// note remembers a token that an answer brought.
func (c *client) note(text string) (uint64, bool) {
	rev, err := revisionOf(text)
	if err != nil {
		c.history.fault("client %d: %v", c.number, err)
		return 0, false
	}
	if t := (token{text, rev}); rev >= c.last.rev {
		c.last = t
		c.tokens.add(c.rand, t)
	}
	return rev, true
}

// fault notes something that is wrong by itself.
func (h *history) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.faults) < 1000 {
		h.faults = append(h.faults, fmt.Sprintf(format, args...))
	}
}

// expect notes an error that no fault can explain.
func (c *client) expect(what string, n *node, err error) {
	if why := mistaken(err); why != "" {
		c.history.fault("client %d: %s on %s: %s", c.number, what, n.name(), why)
	}
}

// write makes one write: it sends it to one node after the other until it is
// known what has become of it, ctx ends, or, sometimes, it does not care.
func (c *client) write(ctx context.Context, updates ...*pb.Update) *write {
	request := &pb.WriteRequest{Updates: updates, RequestId: c.newRequestID()}
	w := &write{request: request, updates: updatesOf(request)}
	w.client, w.call, w.ret = c.number, c.history.now(), never
	c.history.addWrite(w)
	careless := c.rand.IntN(10) == 0
	for attempt := 0; !c.attempt(ctx, w, attempt > 0); attempt++ {
		if careless {
			w.left = true
			return w
		}
		if !pause(ctx, time.Duration(20+c.rand.IntN(100))*time.Millisecond) {
			return w
		}
	}
	return w
}

// newRequestID returns a UUIDv7 of the time on the client's clock.
func (c *client) newRequestID() string {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().Add(c.clock).UnixMilli()))
	copy(id[:6], ms[2:])
	return id.String()
}

// attempt sends w to one node, and reports whether its fate is known. doubt says
// that an earlier attempt may have arrived.
func (c *client) attempt(ctx context.Context, w *write, doubt bool) bool {
	n := c.anyNode()
	w.node = n.name()
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	reply, err := pb.NewTupleServiceClient(c.cluster.conns[n.place]).Write(ctx, w.request)
	c.expect("write", n, err)
	c.trouble = err
	o, decided := fate(err)
	if !decided && (doubt || o == unknown) {
		return false
	}
	if o == done {
		rev, ok := c.note(reply.GetToken())
		if !ok {
			return false
		}
		w.rev = rev
	}
	w.outcome, w.exists, w.ret = o, decided && o == refused, c.history.now()
	return true
}

// choose picks a level, and the token that it needs.
func (c *client) choose() (level, token) {
	switch n := c.rand.IntN(10); {
	case n < 4:
		return latest, token{}
	case n < 6 && c.last.text != "":
		return atLeast, c.last
	case n < 8:
		if t, ok := c.tokens.pick(c.rand); ok {
			return exactly, t
		}
	}
	return anyLevel, token{}
}
