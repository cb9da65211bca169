package graph

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/tuple"
)

// WriteText writes the explanation for people: the decision, what it costs and
// until when it holds, and then a step a line, its outcome first, with what is
// to be said about it below.
//
//	denied: doc:readme#view@user:eve
//	3 steps, 5 reads
//
//	denied       doc:readme#view = viewer + parent->view
//	denied         doc:readme#viewer: user | group#member
//	                 no tuple names user:eve or a group#member
//	denied         parent->view
//	                 there is no tuple of doc:readme#parent
//
// Names are never cut. The error is w's.
func (e *Explanation) WriteText(w io.Writer) error {
	out := newTextWriter(w)
	out.line(outcomeOf(e).String(), ": ", e.question(), e.condition())
	out.line(plural(e.Steps, "step"), ", ", plural(e.Reads, "read"))
	if e.Err == "" && (e.Since != math.MinInt64 || e.Until != math.MaxInt64) {
		out.line("holds", e.span())
	}
	out.line()
	if e.Root != nil {
		e.Root.write(out, "", "")
	}
	return out.flush()
}

func (e *Explanation) question() string {
	subjects := make([]string, len(e.Subjects))
	for i, s := range e.Subjects {
		subjects[i] = s.String()
	}
	return e.Object.String() + "#" + e.Permission + "@" + strings.Join(subjects, " ")
}

func (e *Explanation) condition() string {
	switch {
	case e.Err != "":
		return ": " + oneLine(e.Err)
	case e.Decision == Conditional:
		return " needs " + strings.Join(e.Missing, ", ")
	}
	return ""
}

func (e *Explanation) span() string {
	s := ""
	if e.Since != math.MinInt64 {
		s += " since " + tuple.FormatTime(e.Since)
	}
	if e.Until != math.MaxInt64 {
		s += " until " + tuple.FormatTime(e.Until)
	}
	return s
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

// column is the width of the outcomes.
const column = 13

// write writes a step and what it rests on.
func (s *Step) write(out textWriter, indent, role string) {
	word := s.Outcome.String()
	if s.Kind == StepSkipped && s.title() == "" {
		word = ""
	}
	title, below := s.title(), indent+"  "
	note := s.Note
	if s.isLeaf() && note != "" {
		title, note = strings.TrimSpace(title+" ("+note+")"), ""
	}
	out.line(fmt.Sprintf("%-*s", column, word), indent, role, title)
	for _, line := range s.details(note) {
		out.line(strings.Repeat(" ", column), below, line)
	}
	steps := s.Children
	if len(steps) == 1 && s.isInline(steps[0]) {
		s, steps = steps[0], steps[0].Children
		if s.Note != "" {
			out.line(strings.Repeat(" ", column), below, s.Note)
		}
	}
	for i, c := range steps {
		role := ""
		if s.Kind == StepExclusion && i == 1 {
			role = "minus "
		}
		c.write(out, below, role)
	}
}

// isLeaf reports whether the note of s belongs on its line.
func (s *Step) isLeaf() bool {
	return s.Kind == StepSkipped || s.Kind == StepCycle || s.Kind == StepMember
}

// isInline reports whether the only child of s says no more than s does.
func (s *Step) isInline(child *Step) bool {
	switch child.Kind {
	case StepUnion, StepIntersection, StepExclusion, StepArrow, StepAll, StepNil, StepSelf:
		return s.Kind == StepPermission && s.Text == child.Text
	}
	return false
}

func (s *Step) title() string {
	name := s.Object.String() + "#" + s.Relation
	switch {
	case s.Kind == StepTuple && s.Contextual:
		return s.Tuple.String() + " (contextual)"
	case s.Kind == StepTuple:
		return s.Tuple.String()
	case s.Kind == StepRelation, s.Kind == StepPermission:
		return defined(name, s.Text, s.Kind == StepPermission)
	case s.Kind == StepMember:
		return name + " is the subject asked about"
	case s.Relation != "":
		return name
	}
	return oneLine(s.Text)
}

// details are the lines below a step. What only repeats the steps below it is
// left out.
func (s *Step) details(note string) []string {
	var out []string
	if s.Caveat != nil {
		out = append(out, s.caveatLines()...)
	}
	if note != "" {
		out = append(out, note)
	}
	if s.Err != "" && len(s.Children) == 0 && s.Caveat == nil {
		out = append(out, "error: "+oneLine(s.Err))
	}
	return out
}

// caveatLines tell what a caveat came to, and with which values.
func (s *Step) caveatLines() []string {
	c := s.Caveat
	came := map[Outcome]string{
		OutcomeDenied: "is false", OutcomeConditional: "needs " + strings.Join(c.Missing, ", "),
		OutcomeFailed: "failed, " + oneLine(c.Err), OutcomeAllowed: "is true",
	}[c.Outcome]
	out := []string{"caveat " + c.Name + " " + came + ": " + oneLine(c.Expression)}
	args, _ := tuple.DecodeContext([]byte(c.Context))
	stored, _ := tuple.DecodeContext([]byte(s.Tuple.Context))
	names := make([]string, 0, len(args))
	for name := range args {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		from := "question"
		if _, ok := stored[name]; ok {
			from = "tuple"
		}
		out = append(out, fmt.Sprintf("  %s = %s (%s)", name, canonical(args[name]), from))
	}
	return out
}
