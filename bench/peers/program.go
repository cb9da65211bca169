package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// program says what a server on this machine is. A field is empty where that is
// not known.
type program struct {
	Version string `json:"version,omitempty"` // as its build has recorded it
	Command string `json:"command,omitempty"` // without secrets and without paths
}

// programOf asks the kernel about a process.
func programOf(pid int) program {
	var p program
	if info, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
		p.Version = fmt.Sprintf("%s %s (%s)", path.Base(info.Path), info.Main.Version, info.GoVersion)
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		var args []string
		for arg := range bytes.SplitSeq(bytes.TrimRight(line, "\x00"), []byte{0}) {
			args = append(args, string(arg))
		}
		p.Command = published(args)
	}
	return p
}

// versionOf asks a binary, "" if it does not say. A build of a working tree has
// no version in its build's record, but pemba was given one by the linker.
func versionOf(ctx context.Context, binary string) string {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// secrets are parts of the names of flags whose values are not for a report.
var secrets = []string{"key", "token", "password", "secret", "uri"}

// published is a command line as a report may show it.
func published(args []string) string {
	if len(args) == 0 {
		return ""
	}
	shown := []string{path.Base(args[0])}
	secret := false // the next argument is one
	for _, arg := range args[1:] {
		name, value, joined := strings.Cut(arg, "=")
		isFlag := strings.HasPrefix(arg, "-")
		if !isFlag {
			name, value, joined = "", arg, true
		}
		hidden := secret && !isFlag || isFlag && isSecret(name)
		secret = isFlag && !joined && isSecret(name)
		switch {
		case !joined:
			shown = append(shown, name)
			continue
		case hidden:
			value = "..."
		case strings.HasPrefix(value, "/"):
			value = path.Base(value)
		}
		if isFlag {
			value = name + "=" + value
		}
		if strings.ContainsAny(value, " \t\n`") {
			value = strconv.Quote(strings.ReplaceAll(value, "`", "'"))
		}
		shown = append(shown, value)
	}
	return strings.Join(shown, " ")
}

func isSecret(flag string) bool {
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(flag), s) {
			return true
		}
	}
	return false
}
