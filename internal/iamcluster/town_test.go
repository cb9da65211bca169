package iamcluster

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/internal/testcluster"
)

// keyPair is an authorized key. Making one takes long, so tests share it.
type keyPair struct{ private, public string }

var keys = sync.OnceValue(func() keyPair {
	private, public, err := credential.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return keyPair{private, public}
})

// ids are the nodes of a town.
var ids = []string{"n1", "n2", "n3"}

// town is an IAM layer on three nodes.
type town struct {
	*iam.Founded
	t      *testing.T
	lab    *testcluster.Lab
	master *credential.MasterKey
	nodes  map[string]*member
	change func(*cluster.Config) // of nodes that start; nil = as they are
}

// member is a node that runs.
type member struct {
	*iam.Service
	id     string
	node   *cluster.Node
	engine *authz.Service
	check  *check.Checker

	jobs sync.WaitGroup
	stop context.CancelFunc // of its janitor; nil = it has none
}

// inTown runs f in virtual time with a founded town, and checks at the end that
// all nodes hold the same.
func inTown(t *testing.T, f func(t *testing.T, w *town)) {
	t.Helper()
	inTownOf(t, nil, f)
}

func inTownOf(t *testing.T, change func(*cluster.Config), f func(t *testing.T, w *town)) {
	t.Helper()
	keys()
	if underRace {
		// The race detector has one context for all timers of a bubble, and crashes
		// when two processors use it (Go 1.26, runtime/time.go, unlockAndRun).
		processors := runtime.GOMAXPROCS(1)
		t.Cleanup(func() { runtime.GOMAXPROCS(processors) })
	}
	synctest.Test(t, func(t *testing.T) {
		w := &town{t: t, lab: testcluster.New(), master: credential.NewMasterKey(), nodes: map[string]*member{}, change: change}
		defer func() { <-time.After(time.Minute) }() // what connections left behind
		defer w.close()
		for _, id := range ids {
			w.start(id, iam.Config{Master: w.master})
		}
		w.ready()
		var err error
		if w.Founded, err = w.nodes["n2"].Found(t.Context(), authz.Caller{Name: "test"}, iam.FoundRequest{PublicPEM: keys().public}); err != nil {
			t.Fatal(err)
		}
		f(t, w)
		w.agree()
	})
}

// start starts a node on the disk that it had before, if any.
func (w *town) start(id string, c iam.Config) *member {
	w.t.Helper()
	config := cluster.Config{NodeID: id, Join: ids, BootstrapExpect: len(ids), Logger: slog.New(slog.DiscardHandler)}
	if w.change != nil {
		w.change(&config)
	}
	m := &member{id: id}
	var err error
	if m.node, err = w.lab.Start(config); err != nil {
		w.t.Fatal(err)
	}
	if m.check, err = check.New(check.Options{MaxCost: -1}); err != nil {
		w.t.Fatal(err)
	}
	m.engine = authz.New(m.node, m.check, authz.Options{})
	c.Service, c.Log = m.engine, slog.New(slog.DiscardHandler)
	m.Service = iam.New(c)
	w.nodes[id] = m
	return m
}

// janitor makes a node do what nobody waits for.
func (m *member) janitor() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.jobs.Go(func() { m.RunJanitor(ctx) })
}

// end stops a node in order.
func (w *town) end(id string) {
	w.t.Helper()
	m := w.nodes[id]
	delete(w.nodes, id)
	if m.stop != nil {
		m.stop()
		m.jobs.Wait()
	}
	if err := m.node.Close(); err != nil {
		w.t.Errorf("close %s: %v", id, err)
	}
	m.check.Close()
	w.lab.Gone(id)
}

// kill ends a node without a word to the others.
func (w *town) kill(id string) {
	w.t.Helper()
	w.lab.Cut(id)
	w.eventually(id+" knows that it is alone", func() bool { return !w.nodes[id].node.IsLeader() })
	w.end(id)
}

func (w *town) close() {
	for id := range w.nodes {
		w.end(id)
	}
}

// eventually waits in steps until ok.
func (w *town) eventually(what string, ok func() bool) {
	w.t.Helper()
	for range 1200 {
		if ok() {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	w.t.Fatalf("not within a minute: %s", what)
}

func (w *town) ready() {
	w.t.Helper()
	for _, m := range w.nodes {
		w.eventually(m.id+" is ready", m.engine.Serving)
	}
	w.leader()
}

// leader waits until a node leads, and returns it.
func (w *town) leader() *member {
	w.t.Helper()
	var found *member
	w.eventually("a leader", func() bool {
		found = nil
		for _, m := range w.nodes {
			if m.node.IsLeader() {
				if found != nil {
					return false
				}
				found = m
			}
		}
		return found != nil
	})
	return found
}

// follower returns a node that does not lead.
func (w *town) follower() *member {
	leader := w.leader()
	for _, id := range ids {
		if m := w.nodes[id]; m != nil && m != leader {
			return m
		}
	}
	panic("nobody follows")
}

// agree waits until all nodes hold the same, in order.
func (w *town) agree() {
	w.t.Helper()
	type state struct {
		rev uint64
		sum [32]byte
	}
	w.eventually("equal states", func() bool {
		var all []state
		for _, m := range w.nodes {
			rev, sum := m.node.Store().Hash()
			all = append(all, state{rev, sum})
		}
		return len(slices.Compact(all)) == 1
	})
	for _, m := range w.nodes {
		if err := m.node.Store().Verify(); err != nil {
			w.t.Errorf("%s: %v", m.id, err)
		}
	}
}

// soon is the context of a request.
func (w *town) soon() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

// assertion signs a JWT, now.
func (w *town) assertion(keyID, accountID string) string {
	w.t.Helper()
	f := credential.KeyFile{ID: keyID, ServiceAccountID: accountID, PrivateKey: keys().private}
	jwt, err := f.Assertion(time.Now(), credential.VendorAudience)
	if err != nil {
		w.t.Fatal(err)
	}
	return jwt
}

// token makes a token of an account at a node.
func (w *town) token(m *member, keyID, accountID string) (token, consistency string) {
	w.t.Helper()
	token, _, consistency, err := m.CreateToken(w.soon(), &iam.Call{}, w.assertion(keyID, accountID))
	if err != nil {
		w.t.Fatalf("%s: %v", m.id, err)
	}
	return token, consistency
}

// owner is a call of who owns everything, made at m.
func (w *town) owner(m *member) *iam.Call {
	w.t.Helper()
	token, _ := w.token(m, w.KeyID, w.AccountID)
	return &iam.Call{Token: token}
}

// done takes what a change returns, and wants it done.
func (w *town) done(op *iam.Operation, err error) *iam.Operation {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if !op.Done || op.Token == "" {
		w.t.Fatalf("operation %+v", op)
	}
	return op
}

func (w *town) folder() iam.Resource { return iam.Resource{Kind: iam.FolderKind, ID: w.FolderID} }

// robot is a service account with a key, a token, and the right to see the folder.
type robot struct {
	who          iam.Subject
	keyID, token string
	binding      iam.Binding
	seen         string // consistency token of all that
}

func (w *town) newRobot(m *member, name string) *robot {
	w.t.Helper()
	owner := w.owner(m)
	account := w.done(m.CreateAccount(w.soon(), owner, w.FolderID, iam.About{Name: name}, 0)).Resource.ID
	r := &robot{who: iam.Subject{Type: iam.ServiceAccount, ID: account}}
	k, err := m.AddKey(w.soon(), owner, account, "", keys().public)
	if err != nil {
		w.t.Fatal(err)
	}
	r.keyID, r.binding = k.ID, iam.Binding{RoleID: "viewer", Subject: r.who}
	w.done(m.UpdateBindings(w.soon(), owner, w.folder(), []iam.BindingDelta{{Binding: r.binding}}))
	r.token, r.seen = w.token(m, k.ID, account)
	return r
}

// ask is what m says to whether a robot may see the folder: allowed, denied or an
// error's reason.
func (w *town) ask(m *member, r *robot, c authz.Consistency) string {
	a, err := m.Authorize(w.soon(), &iam.AuthorizeRequest{
		Token: r.token, Permission: "resource-manager.folders.get", Path: []iam.Resource{w.folder()}, Consistency: c,
	})
	switch e := (*authz.Error)(nil); {
	case err == nil && a.Allowed:
		return "allowed"
	case err == nil:
		return "denied"
	case asError(err, &e):
		return e.Reason
	}
	return fmt.Sprint(err)
}
