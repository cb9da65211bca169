package iam

import (
	"fmt"
	"sync"
	"testing"
)

// attempt decides a change of bindings by somebody, lets meanwhile happen, and
// then commits what was decided.
func (w *town) attempt(by Subject, decide func(c *change) error, meanwhile func()) error {
	w.t.Helper()
	c, err := w.begin(w.t.Context(), w.as(by))
	if err != nil {
		w.t.Fatal(err)
	}
	c.op = &Operation{ID: "op", Done: true}
	if err := decide(c); err != nil {
		w.t.Fatal(err)
	}
	meanwhile()
	_, err = w.layer.Commit(w.t.Context(), c.by(), c.write)
	return err
}

func (w *town) adds(on Resource, b Binding) func(c *change) error {
	return func(c *change) error {
		d, err := c.beginBindings(on)
		if err != nil {
			return err
		}
		return d.update([]BindingDelta{{Binding: b}})
	}
}

func (w *town) mustConflict(what string, err error) {
	w.t.Helper()
	if !isConflict(err) {
		w.t.Errorf("%s: %v, want a conflict", what, err)
	}
}

// What a decision rested on changes before the commit: it must not happen.
func TestUpdateBindings_FailWhereWhatTheyRestOnChanges(t *testing.T) {
	w := newTown(t, false)
	try := func(what string, meanwhile func()) {
		w.mustConflict(what, w.attempt(w.admin, w.adds(w.folder, Binding{"viewer", w.nobody}), meanwhile))
	}
	try("the granter's role is revoked", func() { w.refused(w.update(w.lord, w.folder, minus("admin", w.admin)), "") })
	w.refused(w.update(w.lord, w.folder, plus("admin", w.admin)), "")
	try("the granter is suspended", func() {
		w.put(offKey("admin"), map[string]bool{"suspended": true})
		w.commit(false)
	})
	w.records = append(w.records, dropped(offKey("admin")))
	w.commit(false)
	try("the subject is deleted", func() {
		w.records = append(w.records, dropped(accountKey("nobody")))
		w.commit(false)
	})
	w.nobody = w.addAccount("nobody", w.folder)
	w.commit(false)
	try("the resource moves", func() {
		w.updates = append(w.updates, deleted(w.folder.below(w.cloud)))
		w.commit(false)
	})
}

func TestUpdateBindings_FailWhereTheGrantersGroupShrinks(t *testing.T) {
	w := newTown(t, false)
	member := w.addAccount("member", w.folder)
	crew := w.addGroup("admins", w.org, member)
	w.grant("admin", crew, w.folder)
	w.commit(false)
	w.mustConflict("he leaves the group", w.attempt(member, w.adds(w.folder, Binding{"viewer", w.nobody}), func() {
		w.updates = append(w.updates, deleted(memberOf("admins", member)))
		w.commit(false)
	}))
}

func TestSetBindings_FailWhereBindingsAreAddedMeanwhile(t *testing.T) {
	w := newTown(t, false)
	sets := func(c *change) error {
		d, err := c.beginBindings(w.folder)
		if err != nil {
			return err
		}
		return d.set([]Binding{{"admin", w.admin}})
	}
	w.mustConflict("one is added", w.attempt(w.admin, sets, func() { w.refused(w.update(w.lord, w.folder, plus("viewer", w.ann)), "") }))
	w.mustConflict("one that stays is removed", w.attempt(w.lord, sets, func() { w.refused(w.update(w.lord, w.folder, minus("admin", w.admin)), "") }))
}

// Whatever the order, what is left is what the set says, or what was added after it.
func TestSetBindings_AgainstUpdates(t *testing.T) {
	w := newTown(t, false)
	for round := range 10 {
		late := w.addAccount(fmt.Sprintf("late%d", round), w.folder)
		w.commit(false)
		var wg sync.WaitGroup
		var errs [2]error
		var ops [2]*Operation
		calls := [2]*Call{w.as(w.lord), w.as(w.lord)}
		wg.Go(func() {
			ops[0], errs[0] = w.SetBindings(t.Context(), calls[0], w.folder, []Binding{{"admin", w.admin}})
		})
		wg.Go(func() {
			ops[1], errs[1] = w.UpdateBindings(t.Context(), calls[1], w.folder, []BindingDelta{plus("viewer", late)})
		})
		wg.Wait()
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		removed := false
		for _, d := range ops[0].Deltas {
			removed = removed || d.Remove && d.Binding.Subject == late
		}
		if there := w.can(late, "viewer", w.folder); there == removed {
			t.Fatalf("there %v, removed by the set %v", there, removed)
		}
	}
}
