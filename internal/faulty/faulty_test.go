package faulty

import (
	"os/exec"
	"testing"
)

// The seams are compiled with their tag only; this keeps them from rotting.
func TestFaults_Build(t *testing.T) {
	cmd := exec.Command("go", "build", "-tags", "faults", ".", "../../cluster", "../../check", "../../store")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
