package iam

import (
	"testing"
	"time"
)

func TestCancelOperation_MakesAFolderWhatItWas(t *testing.T) {
	s := newSite(t)
	f, who := s.filled("saved", 1)
	ops := make([]*Operation, 2)
	for i := range ops {
		var err error
		if ops[i], err = s.DeleteFolder(t.Context(), s.owner, f.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.CancelOperation(t.Context(), s.as(who[0]), ops[0].ID)
	s.refuses("PERMISSION_DENIED", err)
	if op, err := s.CancelOperation(t.Context(), s.owner, ops[0].ID); err != nil || !op.Done || !op.Canceled {
		t.Fatal(op, err)
	}
	got, err := s.Folder(t.Context(), s.owner, f.ID)
	if err != nil || got.Status != Active || got.DeleteAfter != 0 {
		t.Error(got, err)
	}
	for _, op := range ops {
		if op, err := s.Operation(t.Context(), s.owner, op.ID); err != nil || !op.Done || !op.Canceled {
			t.Error(op, err)
		}
	}
	s.pass(48 * time.Hour)
	s.renew()
	if _, err := s.Account(t.Context(), s.owner, who[0].ID); err != nil {
		t.Error(err)
	}
	_, err = s.CancelOperation(t.Context(), s.owner, ops[0].ID)
	s.refuses("OPERATION_DONE", err)
	_, err = s.CancelOperation(t.Context(), s.owner, "none")
	s.refuses("OPERATION_NOT_FOUND", err)
}

func TestCancelOperation_NotOnceItHasBegun(t *testing.T) {
	s := newSite(t)
	f, _ := s.filled("doomed", 1)
	op, err := s.DeleteFolder(t.Context(), s.owner, f.ID, s.clock.Load()+1)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Add(1)
	d := deletion{Resource: f}
	if more, err := s.pursueOnce(t.Context(), d.key()); err != nil || !more {
		t.Fatal(more, err)
	}
	_, err = s.CancelOperation(t.Context(), s.owner, op.ID)
	s.refuses("OPERATION_RUNS", err)
}

func TestCancelOperation_MakesACloudWhatItWas(t *testing.T) {
	s := newSite(t)
	c := s.done(s.CreateCloud(t.Context(), s.owner, s.OrganizationID, About{Name: "c"})).Resource
	op, err := s.DeleteCloud(t.Context(), s.owner, c.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CancelOperation(t.Context(), s.owner, op.ID); err != nil {
		t.Fatal(err)
	}
	s.done(s.CreateFolder(t.Context(), s.owner, c.ID, About{Name: "f"}))
}
