//go:build linux

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// processorTime is what the process has used so far, to 10 ms.
func (s *process) processorTime() time.Duration {
	s.b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/stat")
	if err != nil {
		s.b.Fatal(err)
	}
	t, err := processorTimeIn(string(text))
	if err != nil {
		s.b.Fatalf("node %s: %v", s.name, err)
	}
	return t
}

// processorTime is what servers have used so far.
func processorTime(servers []*process) time.Duration {
	var sum time.Duration
	for _, s := range servers {
		sum += s.processorTime()
	}
	return sum
}

// processorTimeIn reads a process's stat file (proc(5)): its second field is the
// program's name in parentheses and may hold anything, the 14th and 15th are the
// time in user mode and in the kernel, in hundredths of a second.
func processorTimeIn(stat string) (time.Duration, error) {
	const user, kernel = 14 - 3, 15 - 3 // counted from the third
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= kernel {
		return 0, fmt.Errorf("%q is no process's state", stat)
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[kernel]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

func TestProcessorTimeIn_SkipsAProgramsName(t *testing.T) {
	got, err := processorTimeIn("12 (a (b) c) S 1 1 1 0 -1 4194560 1 0 0 0 250 31 0 0 20 0 9 0 77 1 2\n")
	if want := 2810 * time.Millisecond; err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := processorTimeIn("12 (a) S 1"); err == nil {
		t.Error("a file that breaks off is read")
	}
}

// usage is how much of one processor each server takes on average from a moment
// on until the function is called.
func usage(servers []*process) func() map[*process]float64 {
	start := time.Now()
	before := make(map[*process]time.Duration, len(servers))
	for _, s := range servers {
		before[s] = s.processorTime()
	}
	return func() map[*process]float64 {
		took := time.Since(start)
		used := make(map[*process]float64, len(servers))
		for _, s := range servers {
			used[s] = (s.processorTime() - before[s]).Seconds() / took.Seconds()
		}
		return used
	}
}
