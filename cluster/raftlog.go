package cluster

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets raft log through slog. Raft's Info is what we call debug;
// its warnings and errors stay what they are, but for some that are no news.
type raftLogger struct {
	to   *slog.Logger
	name string
	args []any // implied
}

func newRaftLogger(to *slog.Logger) hclog.Logger { return &raftLogger{to: to.With("from", "raft")} }

// noNews are the starts of messages that raft rates higher than they deserve.
var noNews = []string{
	"heartbeat timeout reached",
	"no known peers, aborting election",
	"found temporary snapshot",
	"skipping application of old log",
	"failed to get previous log",        // a follower that lags; the leader finds where it is
	"appendEntries rejected",            // the same on the leader
	"failed to decode incoming command", // a connection that ended
	"peer has newer term",               // another one leads
	"rejecting pre-vote request since we have a leader",
}

// Log writes one line.
func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch {
	case level == hclog.Warn:
		to = slog.LevelWarn
	case level == hclog.Error:
		to = slog.LevelError
	}
	for _, s := range noNews {
		if strings.HasPrefix(msg, s) {
			to = slog.LevelDebug
		}
	}
	for _, a := range args { // raft keeps the text of an error only
		if err, ok := a.(error); ok && strings.Contains(err.Error(), errAbandoned.Error()) {
			to = slog.LevelDebug
		}
	}
	if !l.to.Enabled(context.Background(), to) {
		return
	}
	if l.name != "" {
		msg = l.name + ": " + msg
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	l.to.Log(context.Background(), to, msg, args...)
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLogger) IsTrace() bool { return false }
func (l *raftLogger) IsDebug() bool { return l.to.Enabled(context.Background(), slog.LevelDebug) }
func (l *raftLogger) IsInfo() bool  { return l.IsDebug() }
func (l *raftLogger) IsWarn() bool  { return true }
func (l *raftLogger) IsError() bool { return true }

func (l *raftLogger) ImpliedArgs() []any { return l.args }
func (l *raftLogger) Name() string       { return l.name }

func (l *raftLogger) With(args ...any) hclog.Logger {
	return &raftLogger{l.to.With(args...), l.name, append(l.args[:len(l.args):len(l.args)], args...)}
}

func (l *raftLogger) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

func (l *raftLogger) ResetNamed(name string) hclog.Logger { return &raftLogger{l.to, name, l.args} }
func (l *raftLogger) SetLevel(hclog.Level)                {}
func (l *raftLogger) GetLevel() hclog.Level               { return hclog.Debug }

func (l *raftLogger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return lineWriter{l} }

// lineWriter logs what is written to it.
type lineWriter struct{ l *raftLogger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.l.Debug(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
