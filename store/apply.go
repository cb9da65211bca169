package store

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/tuple"
)

// applier applies the commands of one entry. It reads and writes what the
// commands before it left, whether published or not.
type applier struct {
	store *Store
	state *state // becomes the published state
	rev   uint64
	ended []string // tenants deleted by this entry
}

func (a *applier) fail(code Code, index int, detail string) Outcome {
	return Outcome{Code: code, Revision: a.rev, Index: index, Detail: detail}
}

func (a *applier) command(c *Command) Outcome {
	if err := c.bounds(); err != nil {
		return a.fail(CodeInvalid, 0, err.Error())
	}
	a.state.time = max(a.state.time, c.Time)
	switch c.Kind {
	case KindInit:
		return a.init(c)
	case KindCreateTenant:
		return a.createTenant(c.Tenant)
	case KindDeleteTenant:
		return a.deleteTenant(c)
	case KindHorizon:
		return a.horizon(c.Horizon)
	case KindIncarnation:
		return a.incarnation(c.NewIncarnation)
	}
	return a.write(c)
}

func (a *applier) init(c *Command) Outcome {
	if a.state.clusterID != "" {
		return a.fail(CodeInvalid, 0, "the cluster "+a.state.clusterID+" exists")
	}
	a.state.clusterID, a.state.secret, a.state.incarnation = c.ClusterID, c.ClusterSecret, 1
	return a.createTenant(c.Tenant)
}

func (a *applier) incarnation(n uint64) Outcome {
	if n <= a.state.incarnation {
		return a.fail(CodeInvalid, 0, fmt.Sprintf("incarnation %d is not above %d", n, a.state.incarnation))
	}
	a.state.incarnation = n
	return Outcome{Revision: a.rev}
}

func (a *applier) createTenant(name string) Outcome {
	if a.state.space(name) != nil {
		return a.fail(CodeTenantExists, 0, name)
	}
	if slices.Contains(a.ended, name) { // both lives would have this revision for a name
		return a.fail(CodeInvalid, 0, fmt.Sprintf("tenant %q is being deleted; try again", name))
	}
	sp := &space{info: TenantInfo{name, a.rev}}
	sp.gen.Store(newGeneration(a.store.syms, a.state.horizon))
	a.state.tenants = a.state.tenants.with(sp)
	return Outcome{Revision: a.rev}
}

func (a *applier) deleteTenant(c *Command) Outcome {
	if _, fail := a.tenant(c); fail != nil {
		return *fail
	}
	a.state.tenants = a.state.tenants.without(c.Tenant)
	a.ended = append(a.ended, c.Tenant)
	return Outcome{Revision: a.rev}
}

// horizon moves the horizon up, never down and never past this revision.
func (a *applier) horizon(h uint64) Outcome {
	h = min(h, a.rev)
	if h <= a.state.horizon {
		return Outcome{Revision: a.rev}
	}
	a.state.horizon = h
	for sp := range a.state.tenants.all() {
		if sp.collect(h, &a.store.opts) {
			a.store.work(sp)
		}
	}
	return Outcome{Revision: a.rev}
}

func (a *applier) tenant(c *Command) (*space, *Outcome) {
	sp := a.state.space(c.Tenant)
	if sp == nil {
		out := a.fail(CodeTenantUnknown, 0, c.Tenant)
		return nil, &out
	}
	if c.Incarnation != 0 && c.Incarnation != sp.info.Incarnation {
		out := a.fail(CodeTenantIncarnation, 0, c.Tenant)
		return nil, &out
	}
	return sp, nil
}

// write applies a KindWrite command once per request id.
func (a *applier) write(c *Command) Outcome {
	sp, fail := a.tenant(c)
	if fail != nil {
		return *fail
	}
	g := sp.makeRoom(len(c.Updates), a.state.horizon)
	if c.RequestID == "" {
		return a.change(g, c)
	}
	key := requestKey{c.Tenant, sp.info.Incarnation, c.Actor, c.RequestID}
	body := c.body()
	if out, done := a.store.requests.check(key, body, a.state.time); done {
		return out
	}
	out := a.change(g, c)
	if out.Code != CodeSchemaChanged { // the server itself proposes that one again
		made, _ := requestTime(c.RequestID)
		a.store.requests.add(request{key: key, made: made, body: body, outcome: out})
	}
	return out
}

// body is what a request id is bound to.
func (c *Command) body() [16]byte {
	sum := sha256.Sum256(c.appendBody(nil))
	return [16]byte(sum[:])
}

// Kept returns the outcome of c's request id if c has been applied before and
// the outcome is kept. It waits for the writer.
func (s *Store) Kept(c *Command) (Outcome, bool) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	sp := s.state.Load().space(c.Tenant)
	if sp == nil {
		return Outcome{}, false
	}
	q := s.requests.find(requestKey{c.Tenant, sp.info.Incarnation, c.Actor, c.RequestID})
	if q == nil || q.body != c.body() {
		return Outcome{}, false
	}
	return q.outcome, true
}

// change decides the whole command before it touches anything, so that it
// happens wholly or not at all.
func (a *applier) change(g *generation, c *Command) Outcome {
	if c.SchemaRevision != 0 {
		if r := g.records.at(SchemaRecord, a.rev); r == nil || r.created != c.SchemaRevision {
			return a.fail(CodeSchemaChanged, 0, "")
		}
	}
	if out := a.preconditions(g, c.Preconditions); out.Code != OK {
		return out
	}
	for i, e := range c.Empty {
		if n := g.countClass(g.class(e)); n > 0 {
			return a.fail(CodeShapeInUse, i, fmt.Sprintf("%d tuples %s", n, e))
		}
	}
	for i, u := range c.Updates {
		if u.Op == OpCreate && a.live(g, u.Tuple) {
			return a.fail(CodeAlreadyExists, i, u.Tuple.Key().String())
		}
	}
	if g.versions()+len(c.Updates) > maxVersions {
		return a.fail(CodeExhausted, 0, fmt.Sprintf("this tenant has %d tuple versions above the horizon", g.versions()))
	}
	for _, u := range c.Updates {
		a.update(g, u)
	}
	for _, r := range c.Records {
		a.record(g, r)
	}
	return Outcome{Revision: a.rev}
}

// live reports whether a tuple with t's key is there and not expired.
func (a *applier) live(g *generation, t tuple.Tuple) bool {
	f := g.fact(g.newestOf(t))
	return f != nil && g.deleted(f) == 0 && !a.expired(g, f)
}

func (a *applier) expired(g *generation, f *fact) bool {
	at := g.extra(f).expires
	return at != 0 && at <= a.state.time
}

func (a *applier) update(g *generation, u Update) {
	if u.Op == OpDelete {
		ref := g.newestOf(u.Tuple)
		if f := g.fact(ref); f != nil && g.deleted(f) == 0 {
			g.delete(ref, a.rev)
		}
		return
	}
	v := g.version(u.Tuple, a.rev)
	ref := g.newest(v.object, v.shape, v.subject)
	if f := g.fact(ref); f != nil && g.deleted(f) == 0 {
		if x := g.extra(f); x.caveat == v.caveat && x.expires == v.expires {
			return
		}
		g.delete(ref, a.rev)
	}
	g.create(v)
}

func (a *applier) record(g *generation, u RecordUpdate) {
	old := g.records.at(u.Key, a.rev)
	if u.Delete && old == nil {
		return
	}
	ref := g.records.put(recordVersion{key: u.Key, value: u.Value, created: a.rev, gone: u.Delete})
	g.log.add(change{rev: a.rev, ref: ref, kind: changeRecord})
}

func (g *generation) fact(ref uint32) *fact {
	if ref == 0 {
		return nil
	}
	return g.facts.at(ref)
}

// newestOf returns the newest version of the tuple with t's key, 0 if none.
func (g *generation) newestOf(t tuple.Tuple) uint32 {
	o, sh, s := g.parts(t)
	if o == 0 || sh == 0 || s == 0 {
		return 0
	}
	return g.newest(o, sh, s)
}

// parts returns what t's key is made of; a part that is not known is 0.
func (g *generation) parts(t tuple.Tuple) (object Node, shape ShapeID, subject Node) {
	y := g.syms
	if t.Subject.Relation != "" && y.Lookup(t.Subject.Relation) == 0 {
		return 0, 0, 0 // an unknown relation must not look like none
	}
	return g.node(y.Lookup(t.Object.Type), t.Object.ID), y.LookupShape(shapeOf(y.Lookup, t)),
		g.node(y.Lookup(t.Subject.Type), t.Subject.ID)
}

// version interns the parts of t.
func (g *generation) version(t tuple.Tuple, rev uint64) version {
	y := g.syms
	return version{
		object:  g.internNode(y.Intern(t.Object.Type), t.Object.ID),
		subject: g.internNode(y.Intern(t.Subject.Type), t.Subject.ID),
		shape:   y.InternShape(shapeOf(y.Intern, t)),
		caveat:  g.internCaveat(y.Intern(t.Caveat), t.Context),
		expires: t.Expires,
		created: rev,
	}
}

// shapeOf returns t's shape, with names resolved by sym.
func shapeOf(sym func(string) Sym, t tuple.Tuple) Shape {
	sh := Shape{Type: sym(t.Object.Type), Relation: sym(t.Relation), SubjectType: sym(t.Subject.Type)}
	if t.Subject.IsWildcard() {
		sh.SubjectRelation = SymWildcard
	} else {
		sh.SubjectRelation = sym(t.Subject.Relation)
	}
	return sh
}
