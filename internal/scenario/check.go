package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// check answers the questions of a command, one line each.
func (r *Run) check(d *datadriven.TestData) (string, error) {
	at, err := r.at(d)
	if err != nil {
		return "", err
	}
	limits, err := limitsOf(d)
	if err != nil {
		return "", err
	}
	var (
		given []tuple.Tuple
		out   strings.Builder
	)
	for _, line := range strings.Split(d.Input, "\n") {
		if fact, ok := strings.CutPrefix(line, "contextual "); ok {
			t, err := tuple.ParseTuple(fact)
			if err != nil {
				return "", err
			}
			given = append(given, t)
			continue
		}
		q, err := parseQuestion(line)
		if err != nil {
			return "", err
		}
		q.Limits, q.Contextual = limits, given
		out.WriteString(describe(r.Engine.Check(at, q)) + "\n")
	}
	return out.String(), nil
}

func limitsOf(d *datadriven.TestData) (graph.Limits, error) {
	var l graph.Limits
	for _, a := range d.CmdArgs {
		if a.Key == "at" {
			continue
		}
		into := map[string]*int{"depth": &l.Depth, "reads": &l.Reads, "contextual": &l.Contextual}[a.Key]
		if into == nil {
			return l, fmt.Errorf("no such argument: %s", a.Key)
		}
		var err error
		if *into, err = strconv.Atoi(a.Vals[0]); err != nil {
			return l, err
		}
	}
	return l, nil
}

// parseQuestion reads OBJECT#PERMISSION@SUBJECT [SUBJECT...] [{CONTEXT}].
func parseQuestion(line string) (graph.Question, error) {
	var q graph.Question
	if brace := strings.Index(line, " {"); brace >= 0 {
		var err error
		if q.Context, err = tuple.DecodeContext([]byte(line[brace:])); err != nil {
			return q, err
		}
		line = line[:brace]
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return q, fmt.Errorf("a question is written OBJECT#PERMISSION@SUBJECT")
	}
	t, err := tuple.ParseTuple(words[0])
	if err != nil {
		return q, err
	}
	q.Object, q.Permission, q.Subjects = t.Object, t.Relation, []tuple.Subject{t.Subject}
	for _, w := range words[1:] {
		s, err := tuple.ParseSubject(w)
		if err != nil {
			return q, err
		}
		q.Subjects = append(q.Subjects, s)
	}
	return q, nil
}

// describe writes an answer as it stands in a scenario.
func describe(a graph.Answer, err error) string {
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	text := a.Decision.String()
	if a.Decision == graph.Conditional {
		text += " on " + strings.Join(a.Missing, ", ")
	}
	return fmt.Sprintf("%s steps=%d reads=%d", text, a.Steps, a.Reads)
}

var (
	costs   = regexp.MustCompile(` steps=\d+ reads=\d+`)
	wording = regexp.MustCompile(`(?m)^(error|warning): .*(\n\t.*)*$`)
)

// Decisions leaves out of an output what may differ between engines: costs, and
// how errors and warnings are worded.
func Decisions(output string) string {
	return wording.ReplaceAllString(costs.ReplaceAllString(output, ""), "$1")
}
