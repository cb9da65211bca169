package main

import (
	"strings"
	"testing"
)

func TestLines_NamesTheLineThatIsTooLong(t *testing.T) {
	_, addr := serveFaulty(t, &faulty{})
	status, _, said := pemba("a:b#c@d:e\n"+strings.Repeat("x", maxLine+1)+"\n", "tuple", "write", "-", "--addr", addr)
	if status != exitError || said != "pemba: line 2 is too long: a line has at most 1 MiB\n" {
		t.Errorf("status %d, %s", status, said)
	}
}
