package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// list prints a list as it comes, and knows where to go on.
type list struct {
	app         *app
	options     *listOptions
	contextual  []*pb.Tuple
	consistency *pb.Consistency
	name        func(id string) string // the text of a result
	subjects    bool                   // results are subjects, not objects

	out    *bufio.Writer
	last   listPart  // nil = nothing has come yet
	cursor string    // behind the last result
	before listCount // of the streams before this one
	count  listCount // of all streams
	failed bool      // a result could not be decided
}

// listPart is what the messages of both lists have in common.
type listPart interface {
	GetCursor() string
	counted
	GetToken() string
	GetDecisionTime() *timestamppb.Timestamp
}

// listed is one result of either list.
type listed interface {
	GetId() string
	GetDecision() pb.Decision
	GetMissingContext() []string
	GetError() *pb.Error
}

func (a *app) list(o *listOptions) (*list, error) {
	consistency, err := o.message()
	if err != nil {
		return nil, err
	}
	contextual, err := o.tuples()
	return &list{
		app: a, options: o, contextual: contextual, consistency: consistency,
		out: bufio.NewWriter(a.out), cursor: o.cursor,
	}, err
}

// complete reports whether everything that is wanted has come.
func (l *list) complete() bool {
	if l.last == nil {
		return false
	}
	l.before, l.consistency = l.count, nil // the cursor names the view
	return l.cursor == "" || l.options.limit > 0 && l.left() == 0
}

// left is the limit of the next stream, 0 = none.
func (l *list) left() uint32 {
	return l.options.limit - uint32(min(l.count.Results, int64(l.options.limit)))
}

// takePart prints the results of one message.
func takePart[R listed](l *list, part listPart, results []R) error {
	l.last, l.cursor, l.count = part, part.GetCursor(), l.before.with(part)
	for _, r := range results {
		if err := l.print(r); err != nil {
			return err
		}
	}
	return l.out.Flush()
}

func (l *list) print(r listed) error {
	l.failed = l.failed || r.GetError() != nil
	name := l.name(r.GetId())
	if l.app.json {
		return printJSON(l.out, l.jsonListed(name, r))
	}
	if e := r.GetError(); e != nil {
		if err := l.out.Flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(l.app.err, "pemba: %s: %s\n", name, itemError(e))
		return err
	}
	l.out.WriteString(name)
	switch r.GetDecision() {
	case pb.Decision_DECISION_CONDITIONAL:
		l.out.WriteString("  conditional on " + strings.Join(r.GetMissingContext(), ", "))
	case pb.Decision_DECISION_DENIED:
		l.out.WriteString("  except")
	}
	return l.out.WriteByte('\n')
}

// end says what the command says behind the last result. err ended the flow.
func (l *list) end(err error) error {
	if err != nil {
		return goOn(err, l.last != nil, l.cursor)
	}
	if l.options.count {
		l.failed = l.count.Undecided > 0
	}
	if l.app.json {
		if err := printJSON(l.app.out, l.summary()); err != nil {
			return err
		}
	} else if l.options.count {
		fmt.Fprintln(l.app.out, l.count.Results)
		l.count.explain(l.app.err)
	}
	if l.cursor != "" && !l.options.count {
		fmt.Fprintf(l.app.err, "more: --cursor %s\n", l.cursor)
	}
	if l.failed {
		return exitStatus(exitError)
	}
	return nil
}

// listSummary is the last line of a list with --json.
type listSummary struct {
	listCount
	Token  string `json:"token"`
	Time   string `json:"decision_time"`
	Cursor string `json:"cursor,omitempty"`
}

func (l *list) summary() listSummary {
	s := listSummary{listCount: l.count, Cursor: l.cursor}
	if l.last != nil {
		s.Token, s.Time = l.last.GetToken(), l.last.GetDecisionTime().AsTime().Format(time.RFC3339Nano)
	}
	return s
}

// listedJSON is a result as commands print it with --json.
type listedJSON struct {
	Object   string     `json:"object,omitempty"`
	Subject  string     `json:"subject,omitempty"`
	Decision string     `json:"decision,omitempty"`
	Missing  []string   `json:"missing_context,omitempty"`
	Error    *errorJSON `json:"error,omitempty"`
}

// errorJSON is why a result could not be decided.
type errorJSON struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func (l *list) jsonListed(name string, r listed) listedJSON {
	j := listedJSON{Object: name}
	if l.subjects {
		j = listedJSON{Subject: name}
	}
	if e := r.GetError(); e != nil {
		j.Error = &errorJSON{e.GetReason(), e.GetMessage(), e.GetFix()}
		return j
	}
	j.Decision, j.Missing = decisionName(r.GetDecision()), r.GetMissingContext()
	return j
}
