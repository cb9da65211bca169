package bench

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Report is the outcome of a measurement with what is needed to judge it.
type Report struct {
	Time        time.Time    `json:"time"`
	Commit      string       `json:"commit"` // of the load generator's build; "+" marks uncommitted changes
	Machine     Machine      `json:"machine"`
	Server      string       `json:"server"` // how the server ran
	Tuples      int          `json:"tuples,omitempty"`
	Seed        uint64       `json:"seed"`  // of the population
	Order       uint64       `json:"order"` // of the questions
	Connections int          `json:"connections"`
	Comparisons []Comparison `json:"comparisons,omitempty"` // of mode "both"
	Runs        []Result     `json:"runs,omitempty"`        // of a single mode
}

// Machine describes where a measurement ran.
type Machine struct {
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	MemoryMB int64  `json:"memory_mb"`
	Go       string `json:"go"`
}

// ThisMachine describes the machine that the process runs on, as far as it is known.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = procField("/proc/cpuinfo", "model name")
	memory, _, _ := strings.Cut(procField("/proc/meminfo", "MemTotal"), " ")
	for _, digit := range memory {
		m.MemoryMB = m.MemoryMB*10 + int64(digit-'0')
	}
	m.MemoryMB /= 1024
	return m
}

// procField reads the first "name : value" of a file in /proc, "" where there is none.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Commit is the commit that the binary was built from, "unknown" if it was not
// built in a repository.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	return commit + changed
}
