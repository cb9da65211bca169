package bench

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Report is the outcome of a measurement with what is needed to judge it.
type Report struct {
	Time        time.Time  `json:"time"`
	Commit      string     `json:"commit"` // of the load generator's build; "+" marks uncommitted changes
	Machine     Machine    `json:"machine"`
	Server      string     `json:"server"` // how the server ran
	Population  Plan       `json:"population"`
	Order       uint64     `json:"order"`          // of the questions
	Skew        float64    `json:"skew,omitempty"` // exponent of the Zipf distribution of the questions; 0 = uniform
	Connections int        `json:"connections"`
	Rate        float64    `json:"rate,omitempty"` // requests a second that were offered; 0 = closed loop
	Batch       int        `json:"batch,omitempty"`
	InFlight    int        `json:"in_flight,omitempty"`
	Mix         string     `json:"mix,omitempty"`
	Installed   *Installed `json:"installed,omitempty"`
	Series      []Series   `json:"series,omitempty"`
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
	m.MemoryMB = procKilobytes("/proc/meminfo", "MemTotal") / 1024
	return m
}

// ResidentMemory is what a process holds of the machine's memory, in bytes, 0
// where that is not known.
func ResidentMemory(pid int) int64 {
	return procKilobytes("/proc/"+strconv.Itoa(pid)+"/status", "VmRSS") * 1024
}

// procKilobytes reads a field of a file in /proc that is written "123 kB".
func procKilobytes(path, name string) int64 {
	number, _, _ := strings.Cut(procField(path, name), " ")
	n, _ := strconv.ParseInt(number, 10, 64)
	return n
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
