package graph

import "testing"

// sequential leaves a test out of runs with -short, as make test makes under the
// race detector: it has one goroutine and much to do.
func sequential(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one goroutine")
	}
}
