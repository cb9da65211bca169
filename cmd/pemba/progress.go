package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress rewrites one line on a terminal while something long goes on. Nil
// shows nothing.
type progress struct {
	to          io.Writer
	what        string
	start, last time.Time
	from        int64 // count at the start
	shown       bool
}

// progressPause is the least time between two lines.
const progressPause = 200 * time.Millisecond

// progress counts what on standard error, if that is a terminal.
func (a *app) progress(what string) *progress {
	if !isTerminal(a.err) {
		return nil
	}
	now := time.Now()
	return &progress{to: a.err, what: what, start: now, last: now}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// begin says how many there were before this command.
func (p *progress) begin(count int64) {
	if p != nil {
		p.from = count
	}
}

// show says how many there are now.
func (p *progress) show(count int64) {
	if p == nil || time.Since(p.last) < progressPause {
		return
	}
	p.last = time.Now()
	p.write(count, "")
}

// done shows the last count, which stays, if any was shown.
func (p *progress) done(count int64) {
	if p != nil && p.shown {
		p.write(count, "\n")
	}
}

func (p *progress) write(count int64, end string) {
	p.shown = true
	elapsed := time.Since(p.start)
	rate := float64(count-p.from) / max(elapsed.Seconds(), 1e-3)
	fmt.Fprintf(p.to, "\r%d %s, %.0f/s, %s\x1b[K%s", count, p.what, rate, elapsed.Round(100*time.Millisecond), end)
}
