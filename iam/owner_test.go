package iam

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// Row 1.4/10 and restriction 1.5.2: owners are made and unmade by owners.
func TestOwner_Row10IsGrantedByOwnersAlone(t *testing.T) {
	w := newTown(t, false)
	admin := w.addAccount("cloud-admin", w.folder)
	w.grant("admin", admin, w.cloud)
	w.grant("organization-manager.admin", admin, w.org)
	w.commit(false)
	w.refused(w.update(admin, w.cloud, plus(CloudOwner, admin)), "PERMISSION_DENIED")
	w.refused(w.update(admin, w.cloud, minus(CloudOwner, w.lord)), "PERMISSION_DENIED")
	w.refused(w.update(admin, w.org, plus(OrganizationOwner, admin)), "PERMISSION_DENIED")
	w.refused(w.update(admin, w.org, minus(OrganizationOwner, w.boss)), "PERMISSION_DENIED")
	_, err := w.SetBindings(t.Context(), w.as(admin), w.cloud, []Binding{{"admin", admin}})
	w.refused(err, "PERMISSION_DENIED")
	_, err = w.SetBindings(t.Context(), w.as(admin), w.cloud, []Binding{{"admin", admin}, {CloudOwner, w.lord}, {"viewer", w.ann}})
	w.refused(err, "")
	w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, w.ann)), "")
	w.refused(w.update(w.lord, w.org, plus(OrganizationOwner, w.lord)), "PERMISSION_DENIED")
	w.refused(w.update(w.boss, w.org, plus(OrganizationOwner, w.ann)), "")
}

func TestOwner_IsNoSystemGroup(t *testing.T) {
	w := newTown(t, false)
	w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, Subject{System, AllUsers})), "INVALID_FIELD")
	w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, Subject{System, "group:organization:org:users"})), "INVALID_FIELD")
}

// Restriction 1.5.2: an owner may leave, but the last one stays.
func TestOwner_TheLastOneStays(t *testing.T) {
	w := newTown(t, false)
	w.refused(w.update(w.lord, w.cloud, minus(CloudOwner, w.lord)), "LAST_OWNER")
	w.refused(w.update(w.boss, w.org, minus(OrganizationOwner, w.boss)), "LAST_OWNER")
	_, err := w.SetBindings(t.Context(), w.as(w.lord), w.cloud, nil)
	w.refused(err, "LAST_OWNER")

	// Neither a group nor somebody who cannot come in will do.
	off := w.addAccount("suspended", w.folder)
	w.put(offKey("suspended"), map[string]bool{"suspended": true})
	w.commit(false)
	w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, w.group), plus(CloudOwner, off)), "")
	w.refused(w.update(w.lord, w.cloud, minus(CloudOwner, w.lord)), "LAST_OWNER")

	w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, w.ann), minus(CloudOwner, w.lord)), "")
	if w.can(w.lord, CloudOwner, w.cloud) || !w.can(w.ann, CloudOwner, w.cloud) {
		t.Error("the cloud has not changed hands")
	}
	w.refused(w.update(w.ann, w.cloud, minus(CloudOwner, w.group), minus(CloudOwner, off)), "")
	w.refused(w.update(w.ann, w.cloud, minus(CloudOwner, w.ann)), "LAST_OWNER")
}

// Two revocations of the last two owners race: only one may happen.
func TestOwner_RacingRevocationsLeaveOne(t *testing.T) {
	w := newTown(t, false)
	for round := range 20 {
		other := w.addAccount(fmt.Sprintf("lord%d", round), w.folder)
		w.commit(false)
		w.refused(w.update(w.lord, w.cloud, plus(CloudOwner, other)), "")
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, who := range []Subject{w.lord, other} {
			call := w.as(who)
			wg.Go(func() {
				_, errs[i] = w.UpdateBindings(t.Context(), call, w.cloud, []BindingDelta{minus(CloudOwner, who)})
			})
		}
		wg.Wait()
		if a, b := reason(errs[0]), reason(errs[1]); !(a == "" && b == "LAST_OWNER" || b == "" && a == "LAST_OWNER") {
			t.Fatalf("%q and %q", a, b)
		}
		if errs[0] == nil {
			w.lord = other
		}
	}
}

// An owner whose end is near is none to leave a cloud to.
func TestOwner_WithAnEndIsNotTheLast(t *testing.T) {
	s := newSite(t)
	passing := s.newAccount("passing", s.folder())
	s.give(CloudOwner, passing, s.cloud())
	op := s.done(s.UpdateAccount(t.Context(), s.owner, AccountUpdate{ID: passing.ID, ExpiresAt: s.clock.Load() + int64(time.Hour), Fields: []string{FieldExpiresAt}}))
	if op.Account.ExpiresAt == 0 {
		t.Fatal(op.Account)
	}
	drop := []BindingDelta{{Remove: true, Binding: Binding{CloudOwner, s.root()}}}
	_, err := s.UpdateBindings(t.Context(), s.owner, s.cloud(), drop)
	s.refuses("LAST_OWNER", err)
	s.done(s.UpdateAccount(t.Context(), s.owner, AccountUpdate{ID: passing.ID, Fields: []string{FieldExpiresAt}}))
	s.done(s.UpdateBindings(t.Context(), s.owner, s.cloud(), drop))
}

// The place of an owner is not for who may make credentials where he stands.
func TestOwner_CredentialsAreMadeByOwnersAlone(t *testing.T) {
	s := newSite(t)
	admin := s.newAccount("admin", s.folder(), "admin")
	lord := s.newAccount("lord", s.folder()) // an owner by his group
	g := s.newGroup("lords", lord)
	s.give(CloudOwner, g.subject(), s.cloud())
	robot := s.newAccount("robot", s.folder())
	k, err := s.AddKey(t.Context(), s.owner, lord.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	try := func(by Subject, as string) map[string]error {
		call := s.as(by)
		_, made := s.AddKey(t.Context(), call, as, "", otherKeys().public)
		_, _, _, token := s.CreateTokenFor(t.Context(), call, as)
		_, runs := s.Register(t.Context(), call, Resource{"compute.instanceGroup", by.ID + as}, s.folder(), as)
		return map[string]error{"make a key": made, "make a token": token, "run as it": runs}
	}
	for what, err := range try(admin, robot.ID) {
		if err != nil {
			t.Errorf("%s for one that owns nothing: %v", what, err)
		}
	}
	for _, as := range []string{s.AccountID, lord.ID} {
		for what, err := range try(admin, as) {
			if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != CloudOwner && e.Metadata["permission"] != OrganizationOwner {
				t.Errorf("%s: %v", what, e)
			}
		}
	}
	_, err = s.DeleteKey(t.Context(), s.as(admin), k.ID)
	s.refuses("PERMISSION_DENIED", err)
	for what, err := range try(s.root(), lord.ID) {
		if err != nil {
			t.Errorf("%s as an owner: %v", what, err)
		}
	}
	if _, err := s.AddKey(t.Context(), s.as(s.root()), "", "", otherKeys().public); err != nil {
		t.Error("for oneself:", err)
	}
	s.done(s.DeleteKey(t.Context(), s.owner, k.ID))
}

// Nor does an owner who was suspended, or has expired, come back by others.
func TestOwner_ComesBackByOwnersAlone(t *testing.T) {
	s := newSite(t)
	admin := s.as(s.newAccount("admin", s.folder(), "admin"))
	lord, robot := s.newAccount("lord", s.folder()), s.newAccount("robot", s.folder())
	s.give(CloudOwner, lord, s.cloud())
	end := s.clock.Load() + int64(time.Hour)
	for _, who := range []Subject{lord, robot} {
		s.done(s.UpdateAccount(t.Context(), s.owner, AccountUpdate{ID: who.ID, ExpiresAt: end, Fields: []string{FieldExpiresAt}}))
		s.done(s.SuspendAccount(t.Context(), s.owner, who.ID))
	}
	forEver := AccountUpdate{ID: robot.ID, Fields: []string{FieldExpiresAt}}
	s.done(s.ReactivateAccount(t.Context(), admin, robot.ID))
	s.done(s.UpdateAccount(t.Context(), admin, forEver))
	forEver.ID = lord.ID
	_, err := s.ReactivateAccount(t.Context(), admin, lord.ID)
	s.refuses("PERMISSION_DENIED", err)
	_, err = s.UpdateAccount(t.Context(), admin, forEver)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.UpdateAccount(t.Context(), admin, AccountUpdate{ID: lord.ID, About: About{Description: "x"}, Fields: []string{FieldDescription}}))
	s.done(s.ReactivateAccount(t.Context(), s.owner, lord.ID))
	s.done(s.UpdateAccount(t.Context(), s.owner, forEver))
}
