package iam

import (
	"testing"

	"github.com/pemba-authz/pemba/authz"
)

// Restriction 1.5.3: with Strict nobody grants what he does not hold.
func TestStrict_NobodyGrantsWhatHeDoesNotHold(t *testing.T) {
	w := newTown(t, true)
	granter := w.addAccount("granter", w.folder)
	w.grant("iam.admin", granter, w.folder)
	w.commit(false)
	w.refused(w.update(granter, w.folder, plus("iam.viewer", w.ann)), "")              // a role that his includes
	w.refused(w.update(granter, w.folder, plus("viewer", w.ann)), "PERMISSION_DENIED") // reads more than he may
	w.refused(w.update(granter, w.folder, plus("compute.viewer", w.ann)), "PERMISSION_DENIED")
	w.refused(w.update(w.admin, w.folder, plus("compute.viewer", w.ann)), "") // the permissions of another role
	w.refused(w.update(granter, w.folder, minus("compute.viewer", w.ann)), "")
	_, err := w.SetBindings(t.Context(), w.as(granter), w.folder, []Binding{{"iam.admin", granter}, {"admin", w.admin}, {"editor", w.editor}})
	w.refused(err, "") // what is there may stay
}

func TestStrict_IsOffUnlessAskedFor(t *testing.T) {
	w := newTown(t, false)
	granter := w.addAccount("granter", w.folder)
	w.grant("iam.admin", granter, w.folder)
	w.commit(false)
	w.refused(w.update(granter, w.folder, plus("viewer", w.ann)), "")
}

// What the granter holds is required of the commit, not only of the decision.
func TestStrict_RestsOnWhatTheGranterHolds(t *testing.T) {
	w := newTown(t, true)
	v, err := w.view(t.Context(), authz.Consistency{Level: authz.Latest})
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.begin(t.Context(), w.as(w.admin))
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.roleAt(v, "compute.viewer")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.mayGrant(r, w.folder); err != nil {
		t.Fatal(err)
	}
	c.add(BindingAt{w.folder, Binding{"compute.viewer", w.ann}}.tuple())
	w.refused(w.update(w.lord, w.folder, minus("admin", w.admin)), "")
	if _, err := w.layer.Commit(t.Context(), c.by(), c.write); !isConflict(err) {
		t.Errorf("%v: want a conflict", err)
	}
}
