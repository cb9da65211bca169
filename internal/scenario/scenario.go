// Package scenario runs the files of testdata/scenarios, each of which shows
// one behaviour: a prose header, then commands with what comes out of them. The
// same file runs on several engines; the decisions must be equal.
//
// Commands take their arguments on the first line and their input below it:
//
//	schema [unchecked]   write a schema; unchecked = even if stored tuples do not fit
//	create write delete  tuples, one on a line; "write" replaces what is there (touch).
//	                     Lines "if-match FILTER", "if-absent FILTER" and
//	                     "if-unchanged OBJECT#RELATION since=N" are preconditions
//	time INSTANT         set the clock; it begins at 2030-01-01T00:00:00Z
//	check [at=N] [depth=N] [reads=N]
//	                     questions, one on a line: OBJECT#PERMISSION@SUBJECT,
//	                     further subjects of the set, and a context {...};
//	                     lines "contextual TUPLE" add facts to all of them
//	read [at=N]          the stored tuples that a filter selects
//	objects [at=N] [prefix=P]
//	                     the objects that a subject reaches:
//	                     TYPE#PERMISSION@SUBJECT, a context {...}
//	subjects [at=N] [prefix=P]
//	                     who reaches an object: OBJECT#PERMISSION@TYPE[#RELATION]
//	explain [at=N]       why a question is answered as it is
//	expand [at=N] [depth=N]
//	                     the tree behind OBJECT#PERMISSION, as far as it goes
//	changes from=N       what a watch from a revision tells
//	diff                 what writing a schema would change
//
// Successful schema and tuple writes count the revisions from 1; N is such a
// number.
package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Begin is where the clock of every scenario stands at first.
var Begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Engine is a way to run the commands. Writes return where they took effect;
// reads are told so, "" meaning the newest state.
type Engine interface {
	SetTime(now int64)
	Schema(source string, unchecked bool) (at string, warnings []string, err error)
	Write(updates []store.Update, pre []store.Precondition, since []string) (at string, err error)
	Check(at string, q graph.Question) (graph.Answer, error)
	Read(at string, f tuple.Filter) ([]tuple.Tuple, error)
	Objects(at string, q graph.ObjectsQuestion) ([]graph.Listed, error)
	Subjects(at string, q graph.SubjectsQuestion) ([]graph.Listed, error)
	Explain(at string, q graph.Question) (text string, err error)
	Expand(at string, q graph.ExpandQuestion) (text string, err error)
	Changes(from string) (lines []string, err error)
	Diff(source string) (text string, err error)
}

// Run is one file on one engine.
type Run struct {
	Engine    Engine
	positions []string // of the revisions, from 1
}

// Command runs one command and returns its output.
func (r *Run) Command(d *datadriven.TestData) string {
	out, err := r.command(d)
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", "\n\t") + "\n"
	}
	return out
}

func (r *Run) command(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "schema":
		at, warnings, err := r.Engine.Schema(d.Input, d.HasArg("unchecked"))
		return strings.Join(append(warnings, ""), "\n") + r.revision(at, err), err
	case "create":
		return r.write(store.OpCreate, d.Input)
	case "write":
		return r.write(store.OpTouch, d.Input)
	case "delete":
		return r.write(store.OpDelete, d.Input)
	case "time":
		now, err := time.Parse(time.RFC3339Nano, d.CmdArgs[0].Key)
		r.Engine.SetTime(now.UnixNano())
		return "", err
	case "check":
		return r.check(d)
	case "read":
		return r.read(d)
	case "objects":
		return r.objects(d)
	case "subjects":
		return r.subjects(d)
	case "explain":
		return r.explain(d)
	case "expand":
		return r.expand(d)
	case "changes":
		return r.changes(d)
	case "diff":
		return r.Engine.Diff(d.Input)
	}
	return "", fmt.Errorf("no such command: %s", d.Cmd)
}

// revision numbers a position that a write has returned.
func (r *Run) revision(at string, err error) string {
	if err != nil {
		return ""
	}
	r.positions = append(r.positions, at)
	return fmt.Sprintf("revision %d\n", len(r.positions))
}

func (r *Run) position(number string) (string, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(r.positions) {
		return "", fmt.Errorf("no revision %q", number)
	}
	return r.positions[n-1], nil
}

// at returns the position that the argument at=N names.
func (r *Run) at(d *datadriven.TestData) (string, error) {
	for _, a := range d.CmdArgs {
		if a.Key == "at" {
			return r.position(a.Vals[0])
		}
	}
	return "", nil
}

func (r *Run) write(op store.Op, input string) (string, error) {
	var (
		updates []store.Update
		pre     []store.Precondition
		since   []string
	)
	for _, line := range strings.Split(input, "\n") {
		if word, rest, _ := strings.Cut(line, " "); strings.HasPrefix(word, "if-") {
			p, at, err := r.precondition(word, rest)
			if err != nil {
				return "", err
			}
			pre, since = append(pre, p), append(since, at)
			continue
		}
		t, err := tuple.ParseTuple(line)
		if err != nil {
			return "", err
		}
		updates = append(updates, store.Update{Op: op, Tuple: t})
	}
	at, err := r.Engine.Write(updates, pre, since)
	return r.revision(at, err), err
}

func (r *Run) precondition(word, rest string) (p store.Precondition, since string, err error) {
	switch word {
	case "if-match", "if-absent":
		p.Kind = store.PreTuplesMatch
		if word == "if-absent" {
			p.Kind = store.PreTuplesAbsent
		}
		p.Filter, err = tuple.ParseFilter(rest)
		return p, "", err
	case "if-unchanged":
		row, number, _ := strings.Cut(rest, " since=")
		object, relation, _ := strings.Cut(row, "#")
		p.Kind, p.Relation = store.PreRowUnchanged, relation
		if p.Object, err = tuple.ParseObject(object); err != nil {
			return p, "", err
		}
		since, err = r.position(number)
		return p, since, err
	}
	return p, "", fmt.Errorf("no such precondition: %s", word)
}

func (r *Run) read(d *datadriven.TestData) (string, error) {
	at, err := r.at(d)
	if err != nil {
		return "", err
	}
	f, err := tuple.ParseFilter(d.Input)
	if err != nil {
		return "", err
	}
	tuples, err := r.Engine.Read(at, f)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, t := range tuples {
		lines = append(lines, t.String()+"\n")
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		return "nothing\n", nil
	}
	return strings.Join(lines, ""), nil
}
