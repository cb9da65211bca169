package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// member is a subject that has a permission: text is "user:ann",
// "user:ann[...]" if that depends on a caveat, "user:* - {user:rex}" for a
// wildcard; via are the relations in which the subject itself is written.
type member struct {
	text string
	via  []string // "<object#relation>", sorted
}

var (
	memberForm = regexp.MustCompile(`^\[(.+)\] is (<[^>]+>(?:/<[^>]+>)*)$`)
	memberFix  = `an expected subject is written "[user:ann] is <doc:readme#viewer>", several relations as <a>/<b>`
)

func parseMember(text string) (member, error) {
	m := memberForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return member{}, errors.New(memberFix)
	}
	via := strings.Split(m[2], "/<")
	for i := range via[1:] {
		via[i+1] = "<" + via[i+1]
	}
	slices.Sort(via)
	return member{normalMember(m[1]), via}, nil
}

// normalMember orders the subjects that a wildcard leaves out.
func normalMember(text string) string {
	base, except, ok := strings.Cut(text, " - {")
	if !ok {
		return strings.TrimSpace(text)
	}
	names := strings.Split(strings.TrimSuffix(strings.TrimSpace(except), "}"), ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return wildcardText(base, names)
}

func wildcardText(base string, except []string) string {
	if len(except) == 0 {
		return base
	}
	slices.Sort(except)
	return base + " - {" + strings.Join(except, ", ") + "}"
}

// expect compares the subjects of one permission with those listed.
func (w *world) expect(ctx context.Context, file string, e expectation) []*fileError {
	var wrong []*fileError
	fail := func(line int, format string, args ...any) {
		wrong = append(wrong, &fileError{file, line, e.Target.Text + ": " + fmt.Sprintf(format, args...)})
	}
	found, err := w.members(ctx, e.Target.Text)
	if err != nil {
		fail(e.Target.Line, "%v", err)
		return wrong
	}
	for _, line := range e.Subjects {
		want, err := parseMember(line.Text)
		if err != nil {
			fail(line.Line, "%q: %v", line.Text, err)
			continue
		}
		via, ok := found[want.text]
		delete(found, want.text)
		switch {
		case !ok:
			fail(line.Line, "[%s] is expected and is not a subject", want.text)
		case !slices.Equal(via, want.via):
			fail(line.Line, "[%s] is %s, not %s", want.text, strings.Join(via, "/"), strings.Join(want.via, "/"))
		}
	}
	for _, text := range slices.Sorted(maps.Keys(found)) {
		fail(e.Target.Line, "[%s] is %s: a subject that is not listed", text, strings.Join(found[text], "/"))
	}
	return wrong
}

// members finds everyone who has a permission, by the text of a member: who is
// written in a relation that leads to the permission, if a check agrees.
func (w *world) members(ctx context.Context, target string) (map[string][]string, error) {
	object, permission, ok := strings.Cut(target, "#")
	if !ok {
		return nil, errors.New("write object#permission, as doc:readme#view")
	}
	o, err := tuple.ParseObject(object)
	if err != nil {
		return nil, err
	}
	r := &reach{world: w, seen: make(map[row]bool), via: make(map[tuple.Subject]map[string]bool)}
	if err := r.relation(o, permission); err != nil {
		return nil, err
	}
	found := make(map[string][]string)
	for subject, via := range r.via {
		text, err := w.memberText(ctx, o, permission, subject)
		if err != nil {
			return nil, err
		}
		if text != "" {
			found[text] = slices.Sorted(maps.Keys(via))
		}
	}
	return found, nil
}

// nobody is an id that no tuple has: what it may do, it may by a wildcard.
const nobody = "\u2400nobody"

// memberText is how a subject is written among the members, "" if a check denies it.
func (w *world) memberText(ctx context.Context, o tuple.Object, permission string, s tuple.Subject) (string, error) {
	question := tuple.Key{Object: o, Relation: permission, Subject: s}
	if s.IsWildcard() {
		question.Subject.ID = nobody
	}
	answer, err := w.ask(ctx, question, nil)
	if err != nil {
		return "", err
	}
	text := s.String()
	switch {
	case answer.Decision == graph.Denied:
		return "", nil
	case answer.Decision == graph.Conditional:
		text += "[...]"
	}
	if !s.IsWildcard() {
		return text, nil
	}
	except, err := w.exceptions(ctx, question, answer.Decision)
	return wildcardText(text, except), err
}

// exceptions are the subjects that fare worse than the wildcard of their type.
func (w *world) exceptions(ctx context.Context, q tuple.Key, wildcard graph.Decision) ([]string, error) {
	var except []string
	for _, id := range w.idsOf(q.Subject.Type) {
		q.Subject.ID = id
		answer, err := w.ask(ctx, q, nil)
		if err != nil {
			return nil, err
		}
		switch {
		case answer.Decision >= wildcard:
		case answer.Decision == graph.Conditional:
			except = append(except, q.Subject.String()+"[...]")
		default:
			except = append(except, q.Subject.String())
		}
	}
	return except, nil
}

// idsOf are the ids of the single subjects of a type, sorted.
func (w *world) idsOf(typ string) []string {
	ids := make(map[string]bool)
	for _, d := range w.graph.Schema().Definitions {
		for t := range w.view.Tuples(tuple.Filter{Type: d.Name, SubjectType: typ, SubjectRelation: tuple.Plain}) {
			if !t.Subject.IsWildcard() {
				ids[t.Subject.ID] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(ids), cmp.Compare[string])
}
