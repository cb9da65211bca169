package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrash_ImportAndWatchGoOn kills a node with -9 while one client imports a
// file and another watches. Both must go on by themselves: the import writes
// everything, the watch prints each tuple exactly once.
func TestCrash_ImportAndWatchGoOn(t *testing.T) {
	const tuples, kills = 6000, 3
	seed, _ := simulation(t)
	t.Logf("PEMBA_SEED=%d", seed)
	c := &crash{t: t, rand: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir()}
	c.start()
	c.writeSchema()
	file := filepath.Join(c.dir, "tuples")
	if err := os.WriteFile(file, []byte(numberedTuples(tuples)), 0o600); err != nil {
		t.Fatal(err)
	}
	watch := c.client("tuple", "watch", "--tokens")
	watched := bufio.NewScanner(watch.out)
	if !watched.Scan() || !strings.HasPrefix(watched.Text(), "token ") {
		t.Fatalf("the watch began with %q, %s", watched.Text(), watch.said)
	}
	transfer := c.client("tuple", "import", file, "--batch", "20")
	imported := make(chan error, 1)
	go func() {
		err := transfer.cmd.Wait()
		if err != nil {
			watch.cmd.Process.Kill() // which would wait for ever
		}
		imported <- err
	}()
	seen, next := make(map[string]int), 0
	for done := 0; len(seen) < tuples; {
		if !watched.Scan() {
			t.Fatalf("the watch ended after %d tuples; the import: %s", len(seen), transfer.said)
		}
		if text, ok := strings.CutPrefix(watched.Text(), "+ "); ok {
			seen[text]++
		}
		if len(seen) > next && done < kills {
			done++
			next = len(seen) + 1 + c.rand.IntN(tuples/kills)
			c.kill()
			c.start()
		}
	}
	if err := <-imported; err != nil {
		t.Errorf("the import ended with %v: %s", err, transfer.said)
	}
	if err := watch.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for watched.Scan() {
		if text, ok := strings.CutPrefix(watched.Text(), "+ "); ok {
			seen[text]++
		}
	}
	_ = watch.cmd.Wait()
	if !strings.Contains(watch.said.String(), "\nresume with --from pt1_") {
		t.Errorf("the watch said %q", watch.said)
	}
	for i := range tuples {
		if text := numberedTuple(i); seen[text] != 1 {
			t.Errorf("%s was printed %d times", text, seen[text])
		}
	}
	c.kill()
}

func numberedTuple(i int) string { return fmt.Sprintf("doc:%d#viewer@user:ann", i) }

func numberedTuples(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(numberedTuple(i) + "\n")
	}
	return text.String()
}

// clientProcess is a client that runs on its own.
type clientProcess struct {
	cmd  *exec.Cmd
	out  *os.File      // what it prints
	said *bytes.Buffer // on standard error; whole once it has ended
}

// client starts a client of c's node, which may be away for a while.
func (c *crash) client(args ...string) *clientProcess {
	c.t.Helper()
	out, end, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	p := &clientProcess{cmd: exec.Command("pemba", append(args, "--addr", c.addr, "--timeout", "1m")...), out: out, said: &bytes.Buffer{}}
	p.cmd.Stdout, p.cmd.Stderr = end, p.said
	if err := p.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	end.Close()
	c.t.Cleanup(func() {
		p.cmd.Process.Kill()
		out.Close()
	})
	return p
}
