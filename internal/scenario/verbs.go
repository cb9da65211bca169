package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// objects lists, for each line TYPE#PERMISSION@SUBJECT [SUBJECT...] [{CONTEXT}],
// the objects of the type.
func (r *Run) objects(d *datadriven.TestData) (string, error) {
	return r.each(d, func(at, line string, given []tuple.Tuple) (string, error) {
		typ, rest, _ := strings.Cut(line, "#")
		q, err := parseQuestion(typ + ":x#" + rest)
		if err != nil {
			return "", err
		}
		listed, err := r.Engine.Objects(at, graph.ObjectsQuestion{
			Type: typ, Permission: q.Permission, Subjects: q.Subjects, Context: q.Context, Contextual: given, Prefix: argument(d, "prefix"),
		})
		return describeList(listed), err
	})
}

// subjects lists, for each line OBJECT#PERMISSION@TYPE[#RELATION] [{CONTEXT}],
// the subjects of the kind.
func (r *Run) subjects(d *datadriven.TestData) (string, error) {
	return r.each(d, func(at, line string, given []tuple.Tuple) (string, error) {
		row, kind, ok := strings.Cut(line, "@")
		if !ok {
			return "", fmt.Errorf("a list of subjects is written OBJECT#PERMISSION@TYPE")
		}
		kind, context, _ := strings.Cut(kind, " ")
		typ, relation, _ := strings.Cut(kind, "#")
		q, err := parseQuestion(row + "@" + typ + ":x " + context)
		if err != nil {
			return "", err
		}
		listed, err := r.Engine.Subjects(at, graph.SubjectsQuestion{
			Object: q.Object, Permission: q.Permission, Type: typ, Relation: relation, Context: q.Context, Contextual: given, Prefix: argument(d, "prefix"),
		})
		return describeList(listed), err
	})
}

// explain tells, for each question, why.
func (r *Run) explain(d *datadriven.TestData) (string, error) {
	return r.each(d, func(at, line string, given []tuple.Tuple) (string, error) {
		q, err := parseQuestion(line)
		if err != nil {
			return "", err
		}
		q.Contextual = given
		return r.Engine.Explain(at, q)
	})
}

// expand shows the tree behind each OBJECT#PERMISSION [{CONTEXT}].
func (r *Run) expand(d *datadriven.TestData) (string, error) {
	depth := -1
	if text := argument(d, "depth"); text != "" {
		var err error
		if depth, err = strconv.Atoi(text); err != nil {
			return "", err
		}
	}
	return r.each(d, func(at, line string, given []tuple.Tuple) (string, error) {
		row, context, _ := strings.Cut(line, " ")
		q, err := parseQuestion(row + "@x:x " + context)
		if err != nil {
			return "", err
		}
		return r.Engine.Expand(at, graph.ExpandQuestion{Object: q.Object, Permission: q.Permission, Context: q.Context, Contextual: given, Depth: depth})
	})
}

// changes tells what a watch from revision from=N sees.
func (r *Run) changes(d *datadriven.TestData) (string, error) {
	from, err := r.position(argument(d, "from"))
	if err != nil {
		return "", err
	}
	lines, err := r.Engine.Changes(from)
	if err != nil {
		return "", err
	}
	return strings.Join(append(lines, ""), "\n"), nil
}

// each runs a command of one line of input after the other; lines "contextual
// TUPLE" add facts to those that follow.
func (r *Run) each(d *datadriven.TestData, f func(at, line string, given []tuple.Tuple) (string, error)) (string, error) {
	at, err := r.at(d)
	if err != nil {
		return "", err
	}
	var given []tuple.Tuple
	var out strings.Builder
	for line := range strings.SplitSeq(d.Input, "\n") {
		if fact, ok := strings.CutPrefix(line, "contextual "); ok {
			t, err := tuple.ParseTuple(fact)
			if err != nil {
				return "", err
			}
			given = append(given, t)
			continue
		}
		text, err := f(at, line, given)
		if err != nil {
			text = "error: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		out.WriteString(strings.TrimRight(text, "\n") + "\n")
	}
	return out.String(), nil
}

func argument(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

// describeList writes a list as it stands in a scenario: by id.
func describeList(listed []graph.Listed) string {
	var out []string
	for _, l := range listed {
		switch {
		case l.Err != nil:
			out = append(out, l.ID+" (error)")
		case l.Decision == graph.Conditional:
			out = append(out, l.ID+" (conditional on "+strings.Join(l.Missing, ", ")+")")
		case l.Decision == graph.Denied:
			out = append(out, "except "+l.ID)
		default:
			out = append(out, l.ID)
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
