package iam

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
)

func TestJanitor_WritesNothingWhereNothingIsToBeDone(t *testing.T) {
	s := newSite(t)
	s.pass(20 * time.Hour)
	before := s.now().Revision()
	for range 3 {
		s.pass(time.Minute)
	}
	if after := s.now().Revision(); after != before {
		t.Errorf("%d commands", after-before)
	}
}

func TestJanitor_CatchesUpWithALongTime(t *testing.T) {
	s := newSite(t)
	op := s.done(s.CreateFolder(t.Context(), s.owner, s.CloudID, About{Name: "f"}))
	s.pass(300 * 24 * time.Hour)
	if _, ok := s.now().Record(operationKey(op.ID)); ok {
		t.Error("an operation of last year is there")
	}
	var at janitorRecord
	if _, err := load(s.now(), janitorKey, &at); err != nil || at.Hour < hourOf(s.clock.Load())-24 {
		t.Error(at, err)
	}
}

// An operation that is not done is not forgotten.
func TestJanitor_KeepsOperationsThatWait(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("f")
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, s.clock.Load()+int64(20*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.pass(16 * 24 * time.Hour)
	s.renew()
	if op, err := s.Operation(t.Context(), s.owner, op.ID); err != nil || op.Done {
		t.Fatal(op, err)
	}
	s.pass(4 * 24 * time.Hour)
	s.renew()
	if op, err := s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done {
		t.Fatal(op, err)
	}
	s.pass(15 * 24 * time.Hour)
	s.renew()
	_, err = s.Operation(t.Context(), s.owner, op.ID)
	s.refuses("OPERATION_NOT_FOUND", err)
}

func TestJanitor_ForgetsMoreThanACommandHolds(t *testing.T) {
	s := newSite(t)
	var ids []string
	for i := range 2*mostSwept + 10 {
		c := s.work(t.Context(), s.now())
		c.op = &Operation{ID: fmt.Sprint("op", i), Done: true, Resource: s.folder()}
		c.record()
		if _, err := s.layer.Commit(t.Context(), janitor, c.write); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.op.ID)
	}
	s.pass(15 * 24 * time.Hour)
	for _, id := range ids {
		if _, ok := s.now().Record(operationKey(id)); ok {
			t.Fatalf("%s is there", id)
		}
	}
	s.renew()
	if l, _, err := s.Operations(t.Context(), s.owner, s.folder(), Page{}); err != nil || len(l) > 0 {
		t.Error(len(l), err)
	}
}

func TestRunJanitor_EndsWithItsContext(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.RunJanitor(ctx)
		close(done)
	}()
	cancel()
	<-done
}

// Whatever is made while its folder goes, is refused or goes with it.
func TestDeleteFolder_RacesWithWhatIsMadeInIt(t *testing.T) {
	s := newSite(t)
	f := s.newFolder("f")
	a := s.newAccount("a", f)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := map[string]bool{} // keys of records
	note := func(key string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			made[key] = true
		}
	}
	for g := range 4 {
		call := *s.owner
		wg.Go(func() {
			for i := range 20 {
				op, err := s.CreateAccount(t.Context(), &call, f.ID, About{Name: fmt.Sprintf("r%d-%d", g, i)}, 0)
				if err == nil {
					note(accountKey(op.Account.ID), nil)
				}
				k, err := s.AddKey(t.Context(), &call, a.ID, "", otherKeys().public)
				if err == nil {
					note(keyKey(k.ID), nil)
				}
				if err != nil && i > 10 {
					return
				}
			}
		})
	}
	wg.Go(func() {
		call := *s.owner
		for range maxTries {
			_, err := s.DeleteFolder(t.Context(), &call, f.ID, 1)
			if reason(err) != "TOO_BUSY" {
				note("deleted", err)
				return
			}
		}
	})
	wg.Wait()
	s.pass(0)
	if !made["deleted"] {
		t.Fatal("not deleted")
	}
	delete(made, "deleted")
	for key := range made {
		if _, ok := s.now().Record(key); ok {
			t.Errorf("%s is left of %d", key, len(made))
		}
	}
	if left := s.traces(f.ID, a.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Two clouds cannot both be the first.
func TestCreateCloud_RacesForTheFirst(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	s.give(OrganizationOwner, ann, s.organization())
	s.done(s.DeleteCloud(t.Context(), s.owner, s.CloudID, 1))
	s.owner = s.as(ann)
	var users []Subject
	for i := range 4 {
		users = append(users, s.newUser(fmt.Sprint("u", i)))
	}
	var wg sync.WaitGroup
	errs := make([]error, len(users))
	for i, u := range users {
		call := s.as(u)
		wg.Go(func() {
			errs[i] = second(s.CreateCloud(t.Context(), call, s.OrganizationID, About{Name: fmt.Sprint("c", i)}))
		})
	}
	wg.Wait()
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
		} else if e, ok := err.(*Error); !ok || e.Code != authz.PermissionDenied {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d first clouds", n)
	}
}
