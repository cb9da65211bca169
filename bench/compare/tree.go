package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// figures are what was measured, by name.
type figures map[string]float64

// tree is a source tree with its benchmarks' binary.
type tree struct{ dir, binary string }

func (t *tree) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", t.binary, "./bench/gate")
	cmd.Dir = t.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmarks: %w\n%s", err, out)
	}
	return nil
}

func (t *tree) measure(ctx context.Context, instructions bool) (figures, error) {
	out, err := t.run(ctx, nil, "Check|List|Apply|Unary", 1)
	if err != nil {
		return nil, err
	}
	f := parse(out)
	if !instructions {
		return f, nil
	}
	return f, t.countInstructions(ctx, f)
}

// run runs benchmarks, below a tool if there is one, and returns what was printed.
func (t *tree) run(ctx context.Context, tool []string, benchmarks string, n int) (string, error) {
	args := append(tool, t.binary, "-test.run=^$", "-test.bench="+benchmarks, "-test.benchtime="+strconv.Itoa(n)+"x", "-test.cpu=1")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOGC=off", "GODEBUG=") // the collector comes when it likes
	if len(tool) == 0 {
		cmd.Env = os.Environ()
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// parse reads the metrics that benchmarks have printed: "BenchmarkCheck/iam-2 1
// 23 reads/check" is "Check/iam reads/check". What depends on the moment is left out.
func parse(out string) figures {
	f := make(figures)
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err == nil && fields[i+1] != "ns/op" {
				f[name+" "+fields[i+1]] = n
			}
		}
	}
	return f
}

// counters are the tools that count instructions, the best first, and how they
// print the count.
var counters = []struct {
	command []string
	count   *regexp.Regexp
}{
	{[]string{"perf", "stat", "-e", "instructions:u", "-x", ","}, regexp.MustCompile(`(?m)^([0-9]+),.*instructions:u`)},
	{[]string{"valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"}, regexp.MustCompile(`I +refs: +([0-9,]+)`)},
}

// Two runs with so many questions each: what a question takes is the difference,
// in which loading the tuples cancels out.
const (
	fewQuestions  = 20_000
	manyQuestions = 120_000
)

// countInstructions enters the instructions of a check of each workload, if some
// tool counts them on this machine.
func (t *tree) countInstructions(ctx context.Context, f figures) error {
	for _, workload := range []string{"iam", "docs", "social", "nested"} {
		few, ok := t.instructions(ctx, workload, fewQuestions)
		if !ok {
			fmt.Fprintln(os.Stderr, "neither perf nor valgrind counts instructions here: they are left out")
			return ctx.Err()
		}
		many, ok := t.instructions(ctx, workload, manyQuestions)
		if !ok {
			return fmt.Errorf("count the instructions of %s: the second run failed", workload)
		}
		f["Check/"+workload+" instructions/check"] = (many - few) / (manyQuestions - fewQuestions)
	}
	return nil
}

func (t *tree) instructions(ctx context.Context, workload string, n int) (float64, bool) {
	for _, c := range counters {
		if _, err := exec.LookPath(c.command[0]); err != nil {
			continue
		}
		out, err := t.run(ctx, c.command, "Instructions/^"+workload+"$", n)
		if err != nil {
			continue
		}
		if m := c.count.FindStringSubmatch(out); m != nil {
			count, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
			return count, err == nil && count > 0
		}
	}
	return 0, false
}
