package store

import (
	"bytes"
	"testing"
)

func founded(t *testing.T, secret []byte) *Store {
	t.Helper()
	s := New(Options{})
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", ClusterSecret: secret, Tenant: "default"})
	return s
}

func TestSecret_IsPartOfTheState(t *testing.T) {
	s := founded(t, secret)
	if !bytes.Equal(s.Secret(), secret) {
		t.Fatalf("%q", s.Secret())
	}
	again := restored(t, s)
	if !bytes.Equal(again.Secret(), secret) {
		t.Fatalf("restored: %q", again.Secret())
	}
	_, one := s.Hash()
	_, two := again.Hash()
	_, other := founded(t, secret[1:]).Hash()
	if one != two || one == other {
		t.Fatalf("hash after a restart equal: %v; hash with another secret equal: %v", one == two, one == other)
	}
}

func TestSecret_IsGivenOnce(t *testing.T) {
	s := founded(t, secret)
	outs := apply(t, s, 2, Command{Kind: KindInit, ClusterID: "d", ClusterSecret: secret[1:], Tenant: "other"})
	if outs[0].Code != CodeInvalid || !bytes.Equal(s.Secret(), secret) {
		t.Fatal(outs[0])
	}
}

func TestSecret_OfAnotherLengthIsRefused(t *testing.T) {
	for _, n := range []int{1, MinClusterSecret - 1, MaxClusterSecret + 1} {
		s := New(Options{})
		outs := apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", ClusterSecret: make([]byte, n), Tenant: "default"})
		if id, _ := s.Cluster(); outs[0].Code != CodeInvalid || id != "" || s.Secret() != nil {
			t.Errorf("%d bytes: %v", n, outs[0])
		}
	}
}

func TestVerify_FindsASecretThatIsNone(t *testing.T) {
	s := founded(t, secret)
	s.state.Load().secret = secret[:3]
	if s.Verify() == nil {
		t.Fatal("not found")
	}
	s.state.Load().secret, s.state.Load().clusterID = secret, ""
	if s.Verify() == nil {
		t.Fatal("a secret of no cluster is not found")
	}
}
