// Command compare measures two trees by what does not depend on the moment, and
// fails if the working tree has become worse than a commit.
//
//	go run ./bench/compare -ref HEAD~5
//
// It runs from the root of the repository. The commit is unpacked into a temporary
// directory, and the benchmarks of bench/gate, those of the working tree, are run
// in both. Where perf or valgrind is there, instructions are counted, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ref := flag.String("ref", "HEAD", "the commit to compare the working tree with")
	instructions := flag.Bool("instructions", true, "count instructions, if there is a tool for it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	worse, err := run(ctx, *ref, *instructions)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
	}
	if err != nil || worse > 0 {
		stop()
		os.Exit(1)
	}
}

// run prints the table and returns the number of figures that are worse.
func run(ctx context.Context, ref string, instructions bool) (worse int, err error) {
	dir, err := os.MkdirTemp("", "pemba-compare-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := unpack(ctx, ref, dir); err != nil {
		return 0, err
	}
	trees := []tree{{dir: dir, binary: filepath.Join(dir, "gate.ref")}, {dir: ".", binary: filepath.Join(dir, "gate.tree")}}
	for i := range trees {
		if err := trees[i].build(ctx); err != nil {
			return 0, fmt.Errorf("%s: %w", []string{ref, "the working tree"}[i], err)
		}
	}
	var all []figures
	for i := range trees {
		f, err := trees[i].measure(ctx, instructions)
		if err != nil {
			return 0, err
		}
		all = append(all, f)
	}
	changes := compare(all[0], all[1])
	return printChanges(os.Stdout, ref, changes), nil
}

// unpack writes the commit's files to dir, with the working tree's bench in place
// of the commit's: both trees get the same data and questions.
func unpack(ctx context.Context, ref, dir string) error {
	if err := shell(ctx, `git archive --format=tar "$1" | tar -x -C "$2"`, ref, dir); err != nil {
		return fmt.Errorf("unpack %s: %w", ref, err)
	}
	own := filepath.Join(dir, "bench")
	if err := os.RemoveAll(own); err != nil {
		return err
	}
	for _, from := range []string{"bench", "bench/gate"} {
		to := filepath.Join(dir, from)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		files, err := filepath.Glob(from + "/*.go")
		if err != nil {
			return err
		}
		for _, f := range files {
			if from == "bench" && strings.HasSuffix(f, "_test.go") {
				continue // they may test what the commit does not have
			}
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// shell runs a script with arguments.
func shell(ctx context.Context, script string, args ...string) error {
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-euo", "pipefail", "-c", script, "compare"}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
