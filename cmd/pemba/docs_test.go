//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pages are the files of docs.
func pages(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	return names
}

// shown is a command of a page and what the page says that it prints.
type shown struct {
	line    int    // of the command
	command string // without the prompt; a "\" at the end of a line continues it
	prints  []string
}

// console returns the commands in the ```console blocks of a page.
func console(t *testing.T, page string) []shown {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []shown
	indent, inside := "", false
	for i, line := range strings.Split(string(text), "\n") {
		if fence, bare := indented(line); strings.HasPrefix(bare, "```") {
			indent, inside = fence, bare == "```console"
			continue
		}
		line = strings.TrimPrefix(line, indent)
		command, prompt := strings.CutPrefix(line, "$ ")
		switch {
		case !inside:
		case prompt:
			out = append(out, shown{line: i + 1, command: command})
		case len(out) == 0:
			t.Fatalf("%s:%d: output without a command", page, i+1)
		default:
			out[len(out)-1].add(line)
		}
	}
	return out
}

// indented splits the blanks off that a line begins with.
func indented(line string) (blanks, rest string) {
	rest = strings.TrimLeft(line, " ")
	return line[:len(line)-len(rest)], rest
}

// add takes the next line of a block: more of the command, or what it prints.
func (s *shown) add(line string) {
	if strings.HasSuffix(s.command, `\`) {
		s.command += "\n" + line
	} else {
		s.prints = append(s.prints, line)
	}
}

// matches reports whether a command printed these lines. "..." in a line stands
// for any text, and as a line for any lines.
func matches(lines []string, got string) bool {
	var pattern strings.Builder
	for _, line := range lines {
		if line == "..." {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `.*`) + `\n`)
	}
	return regexp.MustCompile("^(?:" + pattern.String() + ")$").MatchString(got)
}

// serveForTest starts a server with fresh data and returns its address.
func serveForTest(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	addrFile := filepath.Join(dir, "addr")
	var log bytes.Buffer
	server := exec.Command("pemba", "serve", "--data-dir", filepath.Join(dir, "data"),
		"--grpc-addr", "127.0.0.1:0", "--addr-file", addrFile)
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", log.String())
		}
	})
	addr, err := awaitFile(addrFile)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestDocs_CommandsPrintWhatThePagesSay runs each page's console blocks from
// the first to the last, against a server of its own or those that it starts.
func TestDocs_CommandsPrintWhatThePagesSay(t *testing.T) {
	for _, page := range pages(t) {
		commands := console(t, page)
		if len(commands) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			addr := ""
			switch {
			case !startsItsOwn(commands):
				addr = serveForTest(t)
			case missing("openssl"):
				t.Skip("it needs openssl")
			}
			for i, got := range runAll(t, commands, addr) {
				if c := commands[i]; !matches(c.prints, got) {
					diff := cmp.Diff(strings.Join(c.prints, "\n")+"\n", got)
					t.Errorf("%s:%d: $ %s\n(-the page +what it prints)\n%s", page, c.line, c.command, diff)
				}
			}
		})
	}
}

func TestDocs_DotsStandForAnything(t *testing.T) {
	for _, c := range []struct {
		want []string
		got  string
		ok   bool
	}{
		{nil, "", true},
		{nil, "allowed\n", false},
		{[]string{"allowed"}, "allowed\n", true},
		{[]string{"allowed"}, "allowed\ndenied\n", false},
		{[]string{"pt1_..."}, "pt1_q6P5\n", true},
		{[]string{"pt1_..."}, "pemba: no\n", false},
		{[]string{"a", "...", "z"}, "a\nb\nc\nz\n", true},
		{[]string{"a", "...", "z"}, "a\nz\n", true},
		{[]string{"a", "...", "z"}, "a\nb\n", false},
	} {
		if got := matches(c.want, c.got); got != c.ok {
			t.Errorf("%q matches %q: %v", c.want, c.got, got)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestDocs_LinksLeadToFiles(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %s: %v", page, m[0], err)
			}
		}
	}
}

var example = regexp.MustCompile(`\.\./examples/(\w+\.yaml)`)

// exampleLines are the lines of the schema of the example that a page names
// first; none if it names none.
func exampleLines(t *testing.T, page string) map[string]bool {
	t.Helper()
	stands := make(map[string]bool)
	m := example.FindStringSubmatch(page)
	if m == nil {
		return stands
	}
	schema, _, err := new(app).schemaSource("../../examples/" + m[1])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(schema) {
		stands[strings.TrimSpace(line)] = true
	}
	return stands
}

func TestDocs_SchemasAreTheExamples(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		stands := exampleLines(t, string(text))
		inside := false
		for i, line := range strings.Split(string(text), "\n") {
			switch line = strings.TrimSpace(line); {
			case strings.HasPrefix(line, "```"):
				inside = line == "```zed"
			case inside && !stands[line]:
				t.Errorf("%s:%d: not in the schema of the example: %s", page, i+1, line)
			}
		}
	}
}
