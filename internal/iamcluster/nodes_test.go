package iamcluster

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/iam"
)

func asError(err error, e **authz.Error) bool { return errors.As(err, e) }

func atLeast(token string) authz.Consistency {
	return authz.Consistency{Level: authz.AtLeast, Token: token}
}

var latest = authz.Consistency{Level: authz.Latest}

func TestToken_OfOneNodeIsGoodOnAll(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		for _, from := range ids {
			r := w.newRobot(w.nodes[from], "robot-"+from)
			for _, at := range ids {
				for _, c := range []authz.Consistency{atLeast(r.seen), latest} {
					if got := w.ask(w.nodes[at], r, c); got != "allowed" {
						t.Errorf("a token of %s on %s, level %d: %s", from, at, c.Level, got)
					}
				}
			}
		}
	})
}

// withdrawals take a robot's right away, and say what it is told then.
var withdrawals = map[string]func(w *town, m *member, r *robot) (seen string, told string){
	"token revoked": func(w *town, m *member, r *robot) (string, string) {
		_, seen, err := m.RevokeToken(w.soon(), &iam.Call{}, r.token)
		if err != nil {
			w.t.Fatal(err)
		}
		return seen, "TOKEN_REVOKED"
	},
	"binding revoked": func(w *town, m *member, r *robot) (string, string) {
		op := w.done(m.UpdateBindings(w.soon(), w.owner(m), w.folder(), []iam.BindingDelta{{Binding: r.binding, Remove: true}}))
		return op.Token, "denied"
	},
	"account suspended": func(w *town, m *member, r *robot) (string, string) {
		return w.done(m.SuspendAccount(w.soon(), w.owner(m), r.who.ID)).Token, "ACCOUNT_SUSPENDED"
	},
	"account deleted": func(w *town, m *member, r *robot) (string, string) {
		return w.done(m.DeleteAccount(w.soon(), w.owner(m), r.who.ID)).Token, "ACCOUNT_DELETED"
	},
	"key deleted": func(w *town, m *member, r *robot) (string, string) {
		return w.done(m.DeleteKey(w.soon(), w.owner(m), r.keyID)).Token, "KEY_DELETED"
	},
}

func TestWithdrawn_IsHonouredNowhere(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		i := 0
		for what, withdraw := range withdrawals {
			for _, at := range ids {
				i++
				r := w.newRobot(w.nodes[at], fmt.Sprint("robot-", i))
				for _, m := range w.nodes { // all have it in their tables
					if got := w.ask(m, r, atLeast(r.seen)); got != "allowed" {
						t.Fatalf("%s: %s", m.id, got)
					}
				}
				seen, told := withdraw(w, w.nodes[at], r)
				for _, m := range w.nodes {
					for _, c := range []authz.Consistency{latest, atLeast(seen)} {
						if got := w.ask(m, r, c); got != told {
							t.Errorf("%s on %s, asked on %s, level %d: %s, want %s", what, at, m.id, c.Level, got, told)
						}
					}
				}
			}
		}
	})
}

// A node that is cut off honours what has been withdrawn at "any", until it is out
// of touch for longer than it may be; it says nothing at the other levels.
func TestWithdrawn_IsHonouredOnANodeThatIsCutOffForSecondsOnly(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		cut := w.follower()
		robots, told := map[string]*robot{}, map[string]string{}
		for what := range withdrawals {
			robots[what] = w.newRobot(cut, fmt.Sprint("robot-", len(robots)))
		}
		w.lab.Cut(cut.id)
		since := time.Now()
		seen := map[string]string{}
		other := w.leader()
		for what, withdraw := range withdrawals {
			seen[what], told[what] = withdraw(w, other, robots[what])
			if got := w.ask(cut, robots[what], authz.Consistency{}); got != "allowed" {
				t.Errorf("%s: %s before it could know", what, got)
			}
		}
		silent := func(when string) {
			for what, r := range robots {
				for _, c := range []authz.Consistency{latest, atLeast(seen[what])} {
					if got := w.ask(cut, r, c); got == "allowed" || got == told[what] {
						t.Errorf("%s, %s: level %d answers %s on a node that is cut off", what, when, c.Level, got)
					}
				}
			}
		}
		var asked sync.WaitGroup
		asked.Go(func() { silent("at once") })
		w.eventually("refusals", func() bool { return w.ask(cut, robots["token revoked"], authz.Consistency{}) == "STALE" })
		if d := time.Since(since); d < 9*time.Second || d > 11*time.Second {
			t.Errorf("it answers for %v", d)
		}
		asked.Wait()
		silent("when it refuses")
		w.lab.Mend(cut.id)
		w.ready()
		for what, r := range robots {
			for _, c := range []authz.Consistency{latest, atLeast(seen[what]), {}} {
				if got := w.ask(cut, r, c); got != told[what] {
					t.Errorf("%s: level %d answers %s after it is back", what, c.Level, got)
				}
			}
		}
	})
}

func TestChange_IsInTheListsOfOtherNodes(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		call := w.owner(w.nodes["n1"])
		for i, from := range ids {
			made := w.done(w.nodes[from].CreateFolder(w.soon(), call, w.CloudID, iam.About{Name: "in-" + from}))
			for _, at := range ids {
				m := w.nodes[at]
				if all, _, err := m.Folders(w.soon(), call, w.CloudID, "", iam.Page{}); err != nil || len(all) != i+2 {
					t.Errorf("made on %s, listed on %s: %d folders, %v", from, at, len(all), err)
				}
				stale := *call
				stale.Stale, stale.Consistency = true, atLeast(made.Token)
				if f, err := m.Folder(w.soon(), &stale, made.Resource.ID); err != nil || f.Name != "in-"+from {
					t.Errorf("made on %s, read on %s: %v", from, at, err)
				}
			}
		}
	})
}

// Whatever is acknowledged is there when the leader is lost in the midst of it.
func TestLeader_LostAmongChanges(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		call := w.owner(w.nodes["n1"])
		var mu sync.Mutex
		made, failed := map[string]string{}, 0 // name -> id
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for _, m := range w.nodes {
			call := *call
			writers.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(7 * time.Millisecond):
					}
					name := fmt.Sprintf("%s-%d", m.id, i)
					op, err := m.CreateAccount(w.soon(), &call, w.FolderID, iam.About{Name: name}, 0)
					mu.Lock()
					if err == nil {
						made[name] = op.Resource.ID
					} else {
						failed++
					}
					mu.Unlock()
				}
			})
		}
		<-time.After(300 * time.Millisecond)
		old := w.leader()
		w.lab.Cut(old.id)
		<-time.After(8 * time.Second)
		close(stop)
		writers.Wait()
		w.kill(old.id)
		w.start(old.id, iam.Config{Master: w.master})
		w.ready()
		w.agree()
		if len(made) < 100 || failed == 0 {
			t.Errorf("%d made, %d failed: nothing happened", len(made), failed)
		}
		for _, m := range w.nodes {
			there := map[string]string{}
			for p := (iam.Page{Size: 1000}); ; {
				all, next, err := m.Accounts(w.soon(), call, w.FolderID, "", p)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range all {
					there[a.Name] = a.ID
				}
				if p.Token = next; next == "" {
					break
				}
			}
			for name, id := range made {
				if there[name] != id {
					t.Errorf("%s: account %s is %q, acknowledged as %q", m.id, name, there[name], id)
				}
			}
		}
	})
}

// isGone reports whether a folder is gone, at latest.
func (w *town) isGone(m *member, call *iam.Call, id string) bool {
	_, err := m.Folder(w.soon(), call, id)
	var e *authz.Error
	return asError(err, &e) && e.Reason == "RESOURCE_NOT_FOUND"
}

func TestJanitor_ActsOnTheLeaderAndGoesOnWithTheNext(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		leader, follower := w.leader(), w.follower()
		call := w.owner(leader)
		delayed := func(name string) string {
			made := w.done(leader.CreateFolder(w.soon(), call, w.CloudID, iam.About{Name: name}))
			w.done(leader.CreateAccount(w.soon(), call, made.Resource.ID, iam.About{Name: name}, 0))
			op, err := leader.DeleteFolder(w.soon(), call, made.Resource.ID, time.Now().Add(time.Minute).UnixNano())
			if err != nil || op.Done {
				t.Fatal(op, err)
			}
			return made.Resource.ID
		}
		first := delayed("first")
		follower.janitor()
		<-time.After(2 * time.Minute)
		if w.isGone(leader, call, first) {
			t.Fatal("a node that does not lead has done the janitor's work")
		}
		if _, err := leader.engine.TransferLeadership(w.soon(), follower.id); err != nil {
			t.Fatal(err)
		}
		w.eventually("the folder goes", func() bool { return w.isGone(leader, call, first) })

		for _, m := range w.nodes {
			if m != follower {
				m.janitor()
			}
		}
		second := delayed("second")
		w.kill(follower.id)
		<-time.After(2 * time.Minute)
		w.eventually("the second folder goes", func() bool { return w.isGone(w.leader(), call, second) })
		w.start(follower.id, iam.Config{Master: w.master})
		w.ready()
	})
}

func TestRestart_FromASnapshotKeepsEverything(t *testing.T) {
	small := func(c *cluster.Config) { c.SnapshotEntries, c.TrailingBytes = 16, 1 }
	inTownOf(t, small, func(t *testing.T, w *town) {
		r, kept := w.newRobot(w.nodes["n1"], "robot"), w.newRobot(w.nodes["n3"], "kept")
		if _, _, err := w.nodes["n2"].RevokeToken(w.soon(), &iam.Call{}, r.token); err != nil {
			t.Fatal(err)
		}
		call := w.owner(w.nodes["n1"])
		for i := range 20 {
			w.done(w.nodes["n1"].CreateFolder(w.soon(), call, w.CloudID, iam.About{Name: fmt.Sprint("folder-", i)}))
		}
		<-time.After(3 * time.Minute) // Raft looks every two whether one is due
		w.eventually("snapshots", func() bool {
			return w.lab.HasSnapshot("n1") && w.lab.HasSnapshot("n2") && w.lab.HasSnapshot("n3")
		})
		for _, id := range ids { // all at once: nothing is left but disks
			w.end(id)
		}
		for _, id := range ids {
			w.start(id, iam.Config{Master: w.master})
		}
		w.ready()
		for _, m := range w.nodes {
			if err := m.CheckMaster(w.soon()); err != nil {
				t.Errorf("%s: %v", m.id, err)
			}
			if got := w.ask(m, kept, latest); got != "allowed" {
				t.Errorf("%s: a token from before: %s", m.id, got)
			}
			if got := w.ask(m, r, latest); got != "TOKEN_REVOKED" {
				t.Errorf("%s: a token that was revoked: %s", m.id, got)
			}
			if again, _ := w.token(m, r.keyID, r.who.ID); again == r.token {
				t.Errorf("%s: the same token", m.id)
			}
			if all, _, err := m.Folders(w.soon(), call, w.CloudID, "", iam.Page{}); err != nil || len(all) != 21 {
				t.Errorf("%s: %d folders, %v", m.id, len(all), err)
			}
		}
	})
}

// A role that somebody makes on one node is ready on another before anybody asks
// there.
func TestCustomRole_CountsOnAllNodes(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		for _, m := range w.nodes {
			m.janitor()
		}
		leader, follower := w.leader(), w.follower()
		call := w.owner(leader)
		op := w.done(leader.CreateRole(w.soon(), call, w.OrganizationID, "seer", "", []string{"resource-manager.folders.get"}))
		r := w.newRobot(leader, "robot")
		w.done(leader.UpdateBindings(w.soon(), call, w.folder(), []iam.BindingDelta{{Binding: r.binding, Remove: true}}))
		given := w.done(leader.UpdateBindings(w.soon(), call, w.folder(), []iam.BindingDelta{{Binding: iam.Binding{RoleID: op.Resource.ID, Subject: r.who}}}))
		for _, c := range []authz.Consistency{latest, atLeast(given.Token)} {
			if got := w.ask(follower, r, c); got != "allowed" {
				t.Errorf("level %d: %s", c.Level, got)
			}
		}
		u := iam.RoleUpdate{ID: op.Resource.ID, Permissions: []string{"compute.instances.get"}, Fields: []string{iam.FieldPermissions}}
		taken := w.done(leader.UpdateRole(w.soon(), call, u))
		for _, c := range []authz.Consistency{latest, atLeast(taken.Token)} {
			if got := w.ask(follower, r, c); got != "denied" {
				t.Errorf("taken away, level %d: %s", c.Level, got)
			}
		}
		w.eventually("any follows", func() bool { return w.ask(follower, r, authz.Consistency{}) == "denied" })
	})
}
