package iamcluster

import (
	"testing"

	"github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
)

// restart gives a node other master keys, as an operator does in a rotation; what
// a start does with an old one is the caller's.
func (w *town) restart(id string, c iam.Config) *member {
	w.t.Helper()
	w.end(id)
	m := w.start(id, c)
	w.ready()
	if c.Old != nil {
		if err := m.Reseal(w.soon(), c.Old); err != nil {
			w.t.Fatalf("%s: %v", id, err)
		}
	}
	return m
}

// The master key is replaced one node after the other. All the time every node
// makes tokens that all nodes take.
func TestMasterKey_IsReplacedNodeByNode(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		next := credential.NewMasterKey()
		early := w.newRobot(w.nodes["n1"], "robot")
		for _, m := range w.nodes { // as a start does
			if err := m.CheckMaster(w.soon()); err != nil {
				t.Fatal(err)
			}
		}
		works := func(when string) {
			for _, from := range w.nodes {
				fresh := *early
				var seen string
				fresh.token, seen = w.token(from, early.keyID, early.who.ID)
				for _, m := range w.nodes {
					for _, r := range []*robot{early, &fresh} {
						if got := w.ask(m, r, atLeast(seen)); got != "allowed" {
							t.Errorf("%s: made on %s, asked on %s: %s", when, from.id, m.id, got)
						}
					}
				}
			}
		}
		works("before")
		for i, id := range ids {
			m := w.restart(id, iam.Config{Master: next, Old: w.master})
			if err := m.CheckMaster(w.soon()); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			works("after " + id)
			for _, later := range ids[i+1:] {
				if err := w.nodes[later].CheckMaster(w.soon()); err == nil {
					t.Errorf("%s does not say that it could not start again", later)
				}
			}
		}
		for _, id := range ids {
			w.restart(id, iam.Config{Master: next})
		}
		works("with the new one alone")
	})
}

// With both keys on all nodes first, nothing that happens in between hurts: another
// signing key, or a node that starts again.
func TestMasterKey_IsReplacedInTwoRounds(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		next := credential.NewMasterKey()
		prepared := iam.Config{Master: w.master, Old: next}
		for _, id := range ids {
			w.restart(id, prepared)
		}
		w.restart("n1", iam.Config{Master: next, Old: w.master}) // seals anew
		w.done(w.nodes["n1"].RotateSigningKey(w.soon(), w.owner(w.nodes["n1"])))
		w.done(w.nodes["n2"].RotateSigningKey(w.soon(), w.owner(w.nodes["n2"])))
		w.end("n3")
		w.start("n3", prepared)
		w.ready()
		for _, m := range w.nodes {
			if err := m.CheckMaster(w.soon()); err != nil {
				t.Errorf("%s: %v", m.id, err)
			}
			w.owner(m)
		}
		for _, id := range ids {
			w.restart(id, iam.Config{Master: next})
			w.owner(w.nodes[id])
		}
	})
}

// What a node that does not lead has given up, it knows to have given up.
func TestMasterKey_IsGivenUpThroughAnyNode(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		old := w.newRobot(w.leader(), "robot")
		id := w.follower().id
		w.end(id)
		m := w.start(id, iam.Config{Master: credential.NewMasterKey()})
		w.ready()
		if err := m.CheckMaster(w.soon()); err == nil {
			t.Fatal("it accepts another master key")
		}
		if err := m.AbandonMaster(w.soon(), w.master.Fingerprint()); err != nil {
			t.Fatal(err)
		}
		if err := m.CheckMaster(w.soon()); err != nil {
			t.Errorf("at once: %v", err)
		}
		fresh := *old
		var seen string
		fresh.token, seen = w.token(m, old.keyID, old.who.ID)
		for _, m := range w.nodes {
			if got := w.ask(m, old, atLeast(seen)); got != "INVALID_TOKEN" {
				t.Errorf("%s: an old token: %s", m.id, got)
			}
			if got := w.ask(m, &fresh, atLeast(seen)); got != "allowed" {
				t.Errorf("%s: a new token: %s", m.id, got)
			}
		}
	})
}
