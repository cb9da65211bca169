//go:build linux

package histories

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// rest is how long a client pauses between two requests, on average.
const rest = 15 * time.Millisecond

func (c *client) rest(ctx context.Context) bool {
	return pause(ctx, time.Duration(c.rand.Int64N(int64(2*rest))))
}

// setRegisters writes registers, one or two at a time, every value only once.
func (c *client) setRegisters(ctx context.Context) {
	for n := 0; c.rest(ctx); n++ {
		i := c.rand.IntN(registers)
		value := fmt.Sprintf("c%d-%d", c.number, n)
		switch c.rand.IntN(10) {
		case 0, 1:
			c.write(ctx, remove(registerTuple(i, "")))
		case 2, 3:
			c.write(ctx, create(registerTuple(i, value)))
		case 4:
			c.write(ctx, touch(registerTuple(i, value)), touch(registerTuple((i+1)%registers, value)))
		default:
			c.write(ctx, touch(registerTuple(i, value)))
		}
	}
}

// readRegisters reads all registers at all levels.
func (c *client) readRegisters(ctx context.Context) {
	for c.rest(ctx) {
		l, t := c.choose()
		c.readOnce(ctx, c.anyNode(), l, t)
	}
}

func (c *client) readOnce(ctx context.Context, n *node, l level, t token) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	r := &read{level: l, at: t.rev, values: map[string]string{}}
	r.client, r.node, r.call = c.number, n.name(), c.history.now()
	stream, err := pb.NewTupleServiceClient(c.cluster.conns[n.place]).Read(ctx, &pb.ReadRequest{
		Filter: &pb.TupleFilter{Type: "register"}, Consistency: consistency(l, t.text),
	})
	for text := ""; err == nil; {
		var reply *pb.ReadResponse
		if reply, err = stream.Recv(); err == nil {
			text = reply.GetToken()
			for _, t := range reply.GetTuples() {
				r.values[t.GetObject().GetId()] = valueOf(tupleOf(t))
			}
		} else if errors.Is(err, io.EOF) {
			r.ret = c.history.now()
			if rev, ok := c.note(text); ok {
				r.rev = rev
				c.history.addRead(r)
			}
			return nil
		}
	}
	c.expect("read at "+l.String(), n, err)
	return err
}

// changeWorld writes the tuples that questions are about.
func (c *client) changeWorld(ctx context.Context) {
	for c.rest(ctx) {
		c.write(ctx, someUpdates(c.rand)...)
	}
}

// askQuestions asks about the world at all levels.
func (c *client) askQuestions(ctx context.Context) {
	for c.rest(ctx) {
		l, t := c.choose()
		if c.rand.IntN(5) == 0 {
			c.askBatch(ctx, c.anyNode(), l, t)
			continue
		}
		q := someQuestion(c.rand)
		for range 2 { // the second time an answer may come from the cache
			if _, err := c.ask(ctx, c.anyNode(), q, l, t); err != nil {
				break
			}
		}
	}
}

// pester asks one node at "any", also while it cannot answer, so that a question
// waits for it when it can.
func (c *client) pester(ctx context.Context, n *node) {
	for pause(ctx, time.Duration(c.rand.Int64N(int64(20*time.Millisecond)))) {
		_, _ = c.ask(ctx, n, someQuestion(c.rand), anyLevel, token{})
	}
}

// ask asks one question.
func (c *client) ask(ctx context.Context, n *node, q graph.Question, l level, t token) (pb.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	a := &ask{level: l, at: t.rev, question: q}
	a.client, a.node, a.call = c.number, n.name(), c.history.now()
	reply, err := pb.NewPermissionServiceClient(c.cluster.conns[n.place]).Check(ctx, &pb.CheckRequest{
		Object: wireObject(q.Object), Permission: q.Permission, Subject: wireSubject(q.Subjects[0]), Consistency: consistency(l, t.text),
	})
	a.ret = c.history.now()
	if err != nil {
		c.expect("check at "+l.String(), n, err)
		return pb.Decision_DECISION_UNSPECIFIED, err
	}
	a.decision, a.question.Now = reply.GetDecision(), reply.GetDecisionTime().AsTime().UnixNano()
	if rev, ok := c.note(reply.GetToken()); ok {
		a.rev = rev
		c.history.addAsk(a)
	}
	return a.decision, nil
}

// askBatch asks some questions at once, which are answered at one view.
func (c *client) askBatch(ctx context.Context, n *node, l level, t token) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request := &pb.BatchCheckRequest{Consistency: consistency(l, t.text)}
	asks := make([]*ask, 2+c.rand.IntN(6))
	for i := range asks {
		a := &ask{level: l, at: t.rev, question: someQuestion(c.rand)}
		a.client, a.node, a.call = c.number, n.name(), c.history.now()
		asks[i] = a
		request.Items = append(request.Items, &pb.BatchCheckItem{
			Object: wireObject(a.question.Object), Permission: a.question.Permission, Subject: wireSubject(a.question.Subjects[0]),
		})
	}
	reply, err := pb.NewPermissionServiceClient(c.cluster.conns[n.place]).BatchCheck(ctx, request)
	if err != nil {
		c.expect("batch check at "+l.String(), n, err)
		return
	}
	rev, ok := c.note(reply.GetToken())
	if !ok {
		return
	}
	for i, a := range asks {
		a.ret, a.rev = c.history.now(), rev
		a.decision, a.question.Now = reply.GetResults()[i].GetDecision(), reply.GetDecisionTime().AsTime().UnixNano()
		c.history.addAsk(a)
	}
}

// beEnemy tries to see what was added after its access was removed: it asks
// every node under the token of the removal, and under that of the content.
func (c *client) beEnemy(ctx context.Context) {
	for n := 0; c.rest(ctx); n++ {
		name := fmt.Sprintf("e%d-%d", c.number, n)
		mallory := tuple.Subject{Type: "user", ID: "mallory"}
		access := tuple.Tuple{Object: tuple.Object{Type: "gate", ID: name}, Relation: "member", Subject: mallory}
		secret := tuple.Tuple{Object: tuple.Object{Type: "secret", ID: name}, Relation: "viewer",
			Subject: tuple.Subject{Type: "gate", ID: name, Relation: "member"}}
		later := secret
		later.Object.ID += "-later"
		granted := c.write(ctx, touch(access), touch(secret))
		if granted.outcome != done {
			continue
		}
		q := graph.Question{Object: secret.Object, Permission: "view", Subjects: []tuple.Subject{mallory}}
		c.askAll(ctx, q, c.last, false)
		if removed := c.write(ctx, remove(access)); removed.outcome != done {
			continue
		}
		c.askAll(ctx, q, c.last, true)
		if added := c.write(ctx, touch(later)); added.outcome != done {
			continue
		}
		q.Object = later.Object
		c.askAll(ctx, q, c.last, true)
	}
}

// askAll asks every node at once at t or later.
func (c *client) askAll(ctx context.Context, q graph.Question, t token, removed bool) {
	var wg sync.WaitGroup
	answers := make([]pb.Decision, len(c.cluster.nodes))
	for i, n := range c.cluster.nodes {
		helper := *c
		helper.tokens = &pool{} // not shared
		wg.Go(func() { answers[i], _ = helper.ask(ctx, n, q, atLeast, t) })
	}
	wg.Wait()
	for i, d := range answers {
		if removed && d == pb.Decision_DECISION_ALLOWED {
			c.history.fault("new enemy: node %d allows %s after %s lost access at revision %d", i+1, q.Object, q.Subjects[0], t.rev)
		}
	}
}

// follow watches everything from t on, and moves to another node when a stream
// breaks, or now and then. It is done at revision end, 0 = when ctx ends.
func (c *client) follow(ctx context.Context, name string, t token, end uint64, nodes []*node) error {
	f := &followed{name: name, first: t.rev}
	defer c.history.addFollowed(f)
	var err error
	for {
		n := nodes[c.rand.IntN(len(nodes))]
		stay, cancel := ctx, context.CancelFunc(func() {})
		if end == 0 {
			stay, cancel = context.WithTimeout(ctx, time.Duration(500+c.rand.IntN(3000))*time.Millisecond)
		}
		err = c.stream(stay, n, &t, f, end)
		cancel()
		if err == nil {
			return nil
		}
		c.expect("watch", n, err)
		if !pause(ctx, time.Duration(c.rand.IntN(100))*time.Millisecond) {
			return err
		}
		f.moves++
	}
}

// stream follows on one node, and keeps in t how far it has come.
func (c *client) stream(ctx context.Context, n *node, t *token, f *followed, end uint64) error {
	stream, err := pb.NewTupleServiceClient(c.cluster.conns[n.place]).Watch(ctx, &pb.WatchRequest{From: t.text})
	if err != nil {
		return err
	}
	changes := map[tuple.Key]content{}
	for t.rev < end || end == 0 {
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, ch := range reply.GetChanges() {
			key, now := tupleOf(ch.GetTuple()).Key(), content{}
			if ch.GetOperation() == pb.TupleChange_OPERATION_TOUCHED {
				now = contentOf(tupleOf(ch.GetTuple()))
			}
			if _, twice := changes[key]; twice {
				c.history.fault("watcher %s: %s changes twice in one revision after %d", f.name, key, t.rev)
			}
			changes[key] = now
		}
		if reply.GetToken() == "" {
			continue
		}
		rev, err := revisionOf(reply.GetToken())
		if err != nil || rev < t.rev || len(changes) > 0 && rev == t.rev {
			c.history.fault("watcher %s: on %s revision %d follows %d: %v", f.name, n.name(), rev, t.rev, err)
			return errors.New("out of order")
		}
		if len(changes) > 0 {
			f.revisions = append(f.revisions, revision{rev, changes})
			changes = map[tuple.Key]content{}
		}
		*t = token{reply.GetToken(), rev}
	}
	return nil
}

// look asks every node, again and again, what it thinks that it is.
func (c *client) look(ctx context.Context) {
	for pause(ctx, 100*time.Millisecond) {
		var wg sync.WaitGroup
		for _, n := range c.cluster.nodes {
			wg.Go(func() {
				st, err := c.cluster.status(ctx, n)
				if err != nil {
					return
				}
				c.history.addSight(sight{st.GetNodeId(), c.history.now(), st.GetTerm(),
					st.GetState() == pb.NodeState_NODE_STATE_LEADER, st.GetAppliedRevision()})
			})
		}
		wg.Wait()
	}
}
