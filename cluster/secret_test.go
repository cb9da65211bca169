package cluster

import (
	"bytes"
	"testing"
)

// TestOpen_FoundsClusterWithASecret that the log keeps and no other cluster has.
func TestOpen_FoundsClusterWithASecret(t *testing.T) {
	cfg := quiet(fastDir(t))
	n := open(t, cfg)
	secret := bytes.Clone(n.Store().Secret())
	if len(secret) != 32 || bytes.Equal(secret, make([]byte, 32)) {
		t.Fatalf("a secret of %d bytes", len(secret))
	}
	closed(t, n)
	if got := open(t, cfg).Store().Secret(); !bytes.Equal(got, secret) {
		t.Error("another secret after a restart")
	}
	if other := open(t, quiet(fastDir(t))).Store().Secret(); bytes.Equal(other, secret) {
		t.Error("two clusters have the same secret")
	}
}
