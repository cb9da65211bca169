package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestNodeTLS_WarnsOfACertificateThatPeersWouldRefuse: peers have the same
// authorities and names.
func TestNodeTLS_WarnsOfACertificateThatPeersWouldRefuse(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("n1", 2)
	for _, c := range []struct {
		ca, names string
		want      string // in the log, "" = nothing there
	}{
		{ca.file, "n1", ""},
		{ca.file, "n2", "none of --node-names"},
		{other.file, "n1", "unknown authority"},
	} {
		var log bytes.Buffer
		f, err := followNodeTLS(slog.New(slog.NewTextHandler(&log, nil)), &nodeOptions{nodeCert: cert, nodeKey: key, nodeCA: c.ca, nodeNames: []string{c.names}})
		if err != nil || f.now() == nil {
			t.Fatal(err)
		}
		if got := log.String(); (got != "") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("names %s: %q, want %q", c.names, got, c.want)
		}
	}
}
