package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// busyness is what the processors of this machine had to do over some time.
type busyness struct {
	LoadBefore string  `json:"load_before,omitempty"` // the load averages before the run
	Others     float64 `json:"others_share"`          // of the processors' time, what neither this program nor a measured server used; -1 = not known
}

// machineUse is the processors' time so far.
type machineUse struct {
	all, busy, ours time.Duration
	known           bool
}

// loadAverages are those of 1, 5 and 15 minutes, "" where they are not known.
func loadAverages() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// usedNow reads what has been used so far, of all and by some processes.
func usedNow(pids []int) machineUse {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineUse{}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return machineUse{}
	}
	u := machineUse{known: true}
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return machineUse{}
		}
		u.all += time.Duration(ticks) * clockTick
		if i != 3 && i != 4 {
			u.busy += time.Duration(ticks) * clockTick
		}
	}
	if u.ours, err = processorTime(pids...); err != nil {
		return machineUse{}
	}
	return u
}

// othersSince is the share of the processors' time that somebody else used since
// before, -1 if that is not known.
func (u machineUse) othersSince(before machineUse) float64 {
	all := u.all - before.all
	if !u.known || !before.known || all <= 0 {
		return -1
	}
	return max(0, float64(u.busy-before.busy-(u.ours-before.ours))/float64(all))
}
