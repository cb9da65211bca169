package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of a process's times in proc(5), on every Linux.
const clockTick = 10 * time.Millisecond

// process is what the kernel says of one.
type process struct {
	parent int
	used   time.Duration // of all processors, by it and by children that have ended
}

func processOf(pid int) (process, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, err
	}
	// The second field is the program's name in parentheses, with anything in it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return process{}, fmt.Errorf("process %d: its statistics have %d fields", pid, len(fields))
	}
	var p process
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, err
	}
	for _, f := range fields[11:15] { // user, kernel, and those of ended children
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return p, err
		}
		p.used += time.Duration(ticks) * clockTick
	}
	return p, nil
}

// processorTime is what some processes, their children, the children of these and
// so on have used so far, of all processors.
func processorTime(roots ...int) (time.Duration, error) {
	all, err := processes()
	if err != nil {
		return 0, err
	}
	var used time.Duration
	counted := make(map[int]bool)
	for _, pid := range roots {
		if _, ok := all[pid]; !ok {
			return 0, fmt.Errorf("there is no process %d", pid)
		}
		counted[pid] = true
	}
	for more := true; more; {
		more = false
		for pid, p := range all {
			if !counted[pid] && counted[p.parent] {
				counted[pid], more = true, true
			}
		}
	}
	for pid := range counted {
		used += all[pid].used
	}
	return used, nil
}

// processes are all of this machine.
func processes() (map[int]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := make(map[int]process)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := processOf(pid); err == nil { // else it has ended, and its parent has its time
			all[pid] = p
		}
	}
	return all, nil
}
