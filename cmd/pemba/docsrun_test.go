//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mark stands between what two commands print.
const mark = "== the next command =="

// runAll runs the commands in one shell, in a directory that holds the examples,
// and returns what each printed. PEMBA_ADDR is addr, "" = the page says what it
// is. What the commands leave running ends with the test.
func runAll(t *testing.T, commands []shown, addr string) []string {
	t.Helper()
	ports := movePorts(t, commands)
	var script strings.Builder
	for _, c := range commands {
		script.WriteString(ports.here(c.command) + "\nprintf '%s\\n' '" + mark + "'\n")
	}
	printed := strings.Split(ports.there(shell(t, script.String(), addr)), mark+"\n")
	if len(printed) != len(commands)+1 {
		t.Fatalf("%d commands, output of %d:\n%s", len(commands), len(printed)-1, strings.Join(printed, ""))
	}
	return printed[:len(commands)]
}

// shell runs a script and returns what it prints.
func shell(t *testing.T, script, addr string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sh := exec.CommandContext(ctx, "sh", "-c", script)
	sh.Dir = besideExamples(t)
	sh.Env = append(os.Environ(), "PEMBA_ADDR="+addr)
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	sh.Cancel = func() error { return syscall.Kill(-sh.Process.Pid, syscall.SIGKILL) }
	sh.WaitDelay = time.Second
	var out bytes.Buffer
	sh.Stdout, sh.Stderr = &out, &out
	err := sh.Run()
	t.Cleanup(func() {
		_ = syscall.Kill(-sh.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Log(logsIn(sh.Dir))
		}
	})
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, out.String())
	}
	return out.String()
}

// besideExamples is a directory like the root of the repository, in which a page
// may make files.
func besideExamples(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	examples, err := filepath.Abs("../../examples")
	if err == nil {
		err = os.Symlink(examples, filepath.Join(dir, "examples"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// logsIn is what the servers that a page has started said.
func logsIn(dir string) string {
	var all strings.Builder
	names, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(&all, "== %s\n%s", filepath.Base(name), text)
	}
	return all.String()
}

// loopback finds the ports that a page names, all but the last digit of each: that
// may be a shell's variable.
var loopback = regexp.MustCompile(`127\.0\.0\.1:(\d{3,4})[\d$]`)

// moved is where the ports of a page are when the test runs it, by tens: those
// that it names may be taken.
type moved map[string]string

func movePorts(t *testing.T, commands []shown) moved {
	t.Helper()
	m := moved{}
	for _, c := range commands {
		for _, found := range loopback.FindAllStringSubmatch(c.command, -1) {
			for m[found[1]] == "" {
				if tens := strconv.Itoa(2000 + rand.IntN(1200)); freeTens(tens) && !slices.Contains(slices.Collect(maps.Values(m)), tens) {
					m[found[1]] = tens
				}
			}
		}
	}
	return m
}

// freeTens reports whether nothing listens on ten ports.
func freeTens(tens string) bool {
	for last := range 10 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%s%d", tens, last))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func (m moved) here(text string) string {
	return loopback.ReplaceAllStringFunc(text, func(addr string) string {
		tens := loopback.FindStringSubmatch(addr)[1]
		return "127.0.0.1:" + m[tens] + addr[len(addr)-1:]
	})
}

func (m moved) there(text string) string {
	for page, here := range m {
		text = regexp.MustCompile(`127\.0\.0\.1:`+here+`(\d)`).ReplaceAllString(text, "127.0.0.1:"+page+"$1")
	}
	return text
}

// startsItsOwn reports whether a page starts servers.
func startsItsOwn(commands []shown) bool {
	return slices.ContainsFunc(commands, func(c shown) bool { return strings.Contains(c.command, "pemba serve") })
}

func missing(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil
}
