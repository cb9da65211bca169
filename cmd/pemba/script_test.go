package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program that scripts and tests start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pemba": main})
}

// TestScripts runs testdata/script, which doubles as the manual. Beside
// testscript's own commands:
//
//	await FILE            wait until a server has written its address to FILE; set PEMBA_ADDR to it
//	exits STATUS PROGRAM ARGS...   run a program that ends with this exit status
//	save NAME             set a variable to what the last command printed
//	interrupt LINE PROGRAM ARGS... run a program with LINE on its standard input, which stays
//	                      open, send SIGINT when it prints something, and want status 130
//	next PROGRAM ARGS...  run a program with the flag that the file more tells: "more: --cursor C"
//	until PATTERN PROGRAM ARGS...  run a program until it prints a line that matches, send SIGINT,
//	                      and want status 130; the files out and err then hold what it printed
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     await,
			"exits":     exits,
			"save":      save,
			"interrupt": interrupt,
			"until":     until,
			"next":      next,
		},
		UpdateScripts: os.Getenv("PEMBA_UPDATE_SCRIPTS") != "",
	})
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	addr, err := awaitFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("PEMBA_ADDR", addr)
}

// awaitFile returns what a file says as soon as there is one.
func awaitFile(name string) (string, error) {
	end := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if data, err := os.ReadFile(name); err == nil {
			return strings.TrimSpace(string(data)), nil
		}
		select {
		case <-tick.C:
		case <-end:
			return "", errors.New("no server became ready within a minute")
		}
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

func save(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Env = append(os.Environ(), "PEMBA_ADDR="+ts.Getenv("PEMBA_ADDR"))
	input, err := cmd.StdinPipe()
	ts.Check(err)
	defer input.Close()
	output, end, err := os.Pipe()
	ts.Check(err)
	defer output.Close()
	cmd.Stdout, cmd.Stderr = end, end
	ts.Check(cmd.Start())
	end.Close()
	defer cmd.Process.Kill()
	_, err = io.WriteString(input, args[0]+"\n")
	ts.Check(err)
	printed := bufio.NewReader(output)
	line, err := printed.ReadString('\n')
	ts.Check(err)
	ts.Logf("%s", line)
	ts.Check(cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(printed)
	ts.Check(err)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 || len(rest) > 0 {
		ts.Fatalf("%v, not status 130; it said %q", err, rest)
	}
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Env = append(os.Environ(), "PEMBA_ADDR="+ts.Getenv("PEMBA_ADDR"))
	var said bytes.Buffer
	cmd.Stderr = &said
	output, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	defer cmd.Process.Kill()
	var printed strings.Builder
	for lines := bufio.NewScanner(output); lines.Scan(); {
		printed.WriteString(lines.Text() + "\n")
		if pattern.MatchString(lines.Text()) {
			ts.Check(cmd.Process.Signal(os.Interrupt))
		}
	}
	err = cmd.Wait()
	ts.Logf("[out]\n%s[err]\n%s", &printed, &said)
	if cmd.ProcessState.ExitCode() != 130 {
		ts.Fatalf("%v, not status 130", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(printed.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), said.Bytes(), 0o600))
}

func next(ts *testscript.TestScript, _ bool, args []string) {
	flag, ok := strings.CutPrefix(strings.TrimSpace(ts.ReadFile("more")), "more: ")
	if !ok {
		ts.Fatalf("there is no more")
	}
	ts.Check(ts.Exec(args[0], append(args[1:], strings.Fields(flag)...)...))
}
