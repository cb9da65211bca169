//go:build linux

package histories

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// estateSchema is the schema of the tenants that keepTenants makes.
const estateSchema = `definition user {}

definition doc {
	relation viewer: user
}
`

// access is the one tuple that a tenant has, or has not.
var access = tuple.Tuple{
	Object: tuple.Object{Type: "doc", ID: "deed"}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: "somebody"},
}

// An estate is a tenant that one client makes, works in and perhaps deletes.
// That client alone uses it, until all have left.
type estate struct {
	name   string
	made   uint64  // its first revision, or 0
	token  token   // newest of its own
	has    bool    // access
	unsure bool    // a change is of unknown fate, so has may be wrong
	exists outcome // refused = it never came to be, or is deleted
}

// keepTenants makes tenants and goes from node to node with their tokens, so
// that nodes that lag are asked about tenants, and about what is in them, before
// they have applied either.
func (c *client) keepTenants(ctx context.Context) {
	for n := 0; c.rest(ctx); n++ {
		e := &estate{name: fmt.Sprintf("t%d-%d", c.number, n)}
		c.live(ctx, e)
		if e.exists != done || c.rand.IntN(2) == 0 {
			continue
		}
		c.deleteTenant(ctx, e)
		if e.exists == refused && c.rand.IntN(2) == 0 {
			again := &estate{name: e.name}
			c.live(ctx, again)
			c.askWithOld(ctx, e, again)
		}
	}
}

// live makes e, gives access and takes it away, and asks all nodes after each.
func (c *client) live(ctx context.Context, e *estate) {
	c.history.addEstate(e)
	e.exists = c.insist(ctx, "create tenant", func(ctx context.Context, conn *grpc.ClientConn, doubt bool) error {
		reply, err := pb.NewTenantServiceClient(conn).CreateTenant(ctx, &pb.CreateTenantRequest{Name: e.name})
		if doubt && status.Code(err) == codes.AlreadyExists {
			return nil // an earlier attempt has made it
		}
		c.hold(e, reply.GetToken(), err)
		return err
	})
	if e.exists != done {
		return
	}
	e.made = e.token.rev
	wrote := c.insist(ctx, "write schema in tenant", func(ctx context.Context, conn *grpc.ClientConn, _ bool) error {
		reply, err := pb.NewSchemaServiceClient(conn).WriteSchema(ctx, &pb.WriteSchemaRequest{Tenant: e.name, Schema: estateSchema})
		c.hold(e, reply.GetToken(), err)
		return err
	})
	e.unsure = wrote != done
	for changes := c.rand.IntN(4); !e.unsure; changes-- {
		c.askEstate(ctx, e)
		if changes == 0 {
			return
		}
		u := touch(access)
		if e.has {
			u = remove(access)
		}
		request := &pb.WriteRequest{Tenant: e.name, Updates: []*pb.Update{u}, RequestId: c.newRequestID()}
		wrote := c.insist(ctx, "write in tenant", func(ctx context.Context, conn *grpc.ClientConn, _ bool) error {
			reply, err := pb.NewTupleServiceClient(conn).Write(ctx, request)
			c.hold(e, reply.GetToken(), err)
			return err
		})
		e.has, e.unsure = !e.has, wrote != done
	}
}

func (c *client) deleteTenant(ctx context.Context, e *estate) {
	gone := c.insist(ctx, "delete tenant", func(ctx context.Context, conn *grpc.ClientConn, doubt bool) error {
		_, err := pb.NewTenantServiceClient(conn).DeleteTenant(ctx, &pb.DeleteTenantRequest{Name: e.name})
		if doubt && reasonOf(err) == "UNKNOWN_TENANT" {
			return nil
		}
		return err
	})
	e.exists = [...]outcome{unknown: unknown, done: refused, refused: done}[gone]
	if e.exists == refused {
		c.checkEstate(ctx, c.anyNode(), e)
	}
}

// insist changes something through one node after the other until that is done,
// or ctx ends. doubt says that an earlier attempt may have arrived.
func (c *client) insist(ctx context.Context, what string, f func(ctx context.Context, conn *grpc.ClientConn, doubt bool) error) outcome {
	for doubt := false; ; {
		n := c.anyNode()
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := f(attempt, c.cluster.conns[n.place], doubt)
		cancel()
		if err == nil {
			return done
		}
		c.expect(what, n, err)
		o, _ := fate(err)
		doubt = doubt || o == unknown
		if !pause(ctx, time.Duration(20+c.rand.IntN(100))*time.Millisecond) {
			if doubt {
				return unknown
			}
			return refused
		}
	}
}

// hold keeps a token that a change of e brought.
func (c *client) hold(e *estate, text string, err error) {
	if err != nil {
		return
	}
	rev, err := revisionOf(text)
	if err != nil || rev < e.token.rev {
		c.history.fault("tenant %s: revision %d follows %d: %v", e.name, rev, e.token.rev, err)
		return
	}
	e.token = token{text, rev}
}

// askEstate asks all nodes at once under the newest token.
func (c *client) askEstate(ctx context.Context, e *estate) {
	var wg sync.WaitGroup
	for _, n := range c.cluster.nodes {
		wg.Go(func() {
			has, rev, err := c.askIn(ctx, n, e, atLeast)
			if err != nil {
				c.expect(fmt.Sprintf("check in tenant %s at least at %d", e.name, e.token.rev), n, err)
			} else if has != e.has || rev < e.token.rev {
				c.history.fault("tenant %s: node %s says %v at revision %d, want %v at least at %d", e.name, n.name(), has, rev, e.has, e.token.rev)
			}
		})
	}
	wg.Wait()
}

// askWithOld asks under a token of a tenant that was deleted. A node that lags
// may answer as the old tenant was; the new one must not.
func (c *client) askWithOld(ctx context.Context, old, tenant *estate) {
	if tenant.exists != done || tenant.made == 0 {
		return
	}
	for _, n := range c.cluster.nodes {
		has, rev, err := c.askIn(ctx, n, old, atLeast)
		if err == nil && (rev >= tenant.made || has != old.has) {
			c.history.fault("tenant %s: node %s answers %v at revision %d under a token of the one that was before %d",
				old.name, n.name(), has, rev, tenant.made)
		}
	}
}

// askIn asks e's question.
func (c *client) askIn(ctx context.Context, n *node, e *estate, l level) (has bool, rev uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	reply, err := pb.NewPermissionServiceClient(c.cluster.conns[n.place]).Check(ctx, &pb.CheckRequest{
		Tenant: e.name, Object: wireObject(access.Object), Permission: access.Relation, Subject: wireSubject(access.Subject),
		Consistency: consistency(l, e.token.text),
	})
	if err != nil {
		return false, 0, err
	}
	rev, err = revisionOf(reply.GetToken())
	return reply.GetDecision() == pb.Decision_DECISION_ALLOWED, rev, err
}

// checkEstate wants n to say, at latest, what has become of e. The error is why
// it says nothing.
func (c *client) checkEstate(ctx context.Context, n *node, e *estate) error {
	if e.exists == unknown || e.unsure {
		return nil
	}
	has, rev, err := c.askIn(ctx, n, e, latest)
	switch {
	case e.exists == refused && err == nil:
		c.history.fault("tenant %s: node %s answers at revision %d, but there is no such tenant", e.name, n.name(), rev)
	case e.exists == refused && reasonOf(err) == "UNKNOWN_TENANT":
		return nil
	case err == nil && has != e.has:
		c.history.fault("tenant %s: node %s says %v at revision %d, want %v", e.name, n.name(), has, rev, e.has)
	}
	if mistaken(err) != "" { // an answer that waiting does not change
		c.expect(fmt.Sprintf("check in tenant %s, made at %d, at latest", e.name, e.made), n, err)
		return nil
	}
	return err
}

// checkedEstates is how many of the tenants are looked at in the end.
const checkedEstates = 40

// checkEstates asks every node about the last tenants.
func (r *run) checkEstates(ctx context.Context, c *client) error {
	newest := map[string]*estate{}
	all := r.history.estates
	for _, e := range all[max(0, len(all)-checkedEstates):] {
		newest[e.name] = e
	}
	for _, e := range newest {
		for _, n := range r.cluster.nodes {
			if err := until(ctx, func() error { return c.checkEstate(ctx, n, e) }); err != nil {
				return fmt.Errorf("tenant %s on node %s: %w", e.name, n.name(), err)
			}
		}
	}
	return nil
}
