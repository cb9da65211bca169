package iam

import (
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
)

// Whose role was revoked must not go on reading where a node has lost its leader,
// by asking for a view that is at least an old one.
func TestRead_AtLeastIsNoStalerThanAny(t *testing.T) {
	s := newSite(t)
	seen := s.newFolder("f") // and with it a view
	v := s.now()
	lost := New(Config{Master: s.config.Master, Log: s.config.Log,
		Service: authz.New(s.node, s.check, authz.Options{Now: s.clock.Load, MaxStaleness: -time.Second})}) // as if it had heard of none for long
	call := *s.owner
	if _, err := lost.Folder(t.Context(), &call, seen.ID); err != nil {
		t.Fatal("latest:", err)
	}
	call.Stale, call.Consistency = true, authz.Consistency{Level: authz.AtLeast, Token: v.Token}
	if _, err := s.Folder(t.Context(), &call, seen.ID); err != nil {
		t.Fatal("where the leader is known:", err)
	}
	_, err := lost.Folder(t.Context(), &call, seen.ID)
	s.refuses("STALE", err)
	call.Consistency = authz.Consistency{Level: authz.Any}
	_, err = lost.Folder(t.Context(), &call, seen.ID)
	s.refuses("STALE", err)
}
