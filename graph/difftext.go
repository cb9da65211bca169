package graph

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// String says what happens to it, as in "doc#view: wider".
func (e Effect) String() string { return fmt.Sprintf("%s#%s: %v", e.Type, e.Name, e.Kind) }

// String returns one line: what it is about, and the sentence.
func (c Change) String() string { return c.Kind.String() + ": " + c.Text }

// line returns r as it is written in a definition, without its comments and
// the types that it says it leads to.
func (r *Relation) line() string {
	bare := *r
	bare.Expected = nil
	return declared(r).String() + " " + r.Name + bare.body()
}

// printDefinition writes d without comments, partials included.
func printDefinition(d *Definition) string {
	bare := &Definition{Name: d.Name}
	for _, r := range d.Relations {
		copied := *r
		copied.Doc, copied.Expected = nil, nil
		bare.Relations = append(bare.Relations, &copied)
	}
	p := &printer{}
	p.members("definition", bare)
	return strings.TrimSuffix(p.b.String(), "\n")
}

func printCaveat(c *Caveat) string {
	bare := *c
	bare.Doc = nil
	p := &printer{}
	p.caveat(&bare)
	return strings.TrimSuffix(p.b.String(), "\n")
}

func newType(d *Definition) string {
	var names []string
	for _, r := range d.Relations {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return d.Name + " is a new type"
	}
	return d.Name + " is a new type, with " + nameList(names)
}

func lostType(d *Definition) string {
	return d.Name + " is gone: nobody has anything on its objects any more, and they are no subjects"
}

func newMember(d *Definition, r *Relation) string {
	if r.IsPermission() {
		return fmt.Sprintf("%s#%s is new: asked of a %s, it allows whoever %s", d.Name, r.Name, d.Name, d.who(r.Rewrite))
	}
	return fmt.Sprintf("%s#%s is new, for %s", d.Name, r.Name, nameList(kindNames(r.Types)))
}

func lostMember(d *Definition, r *Relation) string {
	if r.IsPermission() {
		return fmt.Sprintf("%s#%s is gone: questions for it are errors", d.Name, r.Name)
	}
	return fmt.Sprintf("%s#%s is gone: questions for it are errors, and its tuples must be deleted first", d.Name, r.Name)
}

func kindNames(types []TypeRestriction) []string {
	var names []string
	for _, t := range types {
		names = append(names, t.String())
	}
	return names
}

func caveatSentence(was, is *Caveat) string {
	what := "decides in another way"
	if fmt.Sprint(paramTypes(was)) != fmt.Sprint(paramTypes(is)) {
		what = "has other parameters"
	}
	return fmt.Sprintf("caveat %s %s, wherever it stands at a tuple", is.Name, what)
}

// sentence says what the change of m means for people.
func (d *differ) sentence(m member, was, is *Relation, kinds kindChange, own direction, same bool) string {
	var parts []string
	if was.IsPermission() != is.IsPermission() {
		parts = append(parts, fmt.Sprintf("was a %v and is a %v now", declared(was), declared(is)))
	} else {
		parts = append(parts, kindSentences(m, kinds)...)
		if !sameExpr(was.Rewrite, is.Rewrite) {
			parts = append(parts, d.exprSentences(m, was.Rewrite, is.Rewrite, own, same)...)
		}
	}
	return fmt.Sprintf("%s#%s: %s", m.typ, m.name, strings.Join(parts, "; "))
}

func kindSentences(m member, k kindChange) []string {
	var parts []string
	if len(k.added) > 0 {
		text := "now also accepts " + nameList(kindNames(k.added))
		for _, t := range k.added {
			switch {
			case t.Wildcard:
				text += fmt.Sprintf("; every %s at once can be made %s", t.Type, m.name)
			case t.Relation != "":
				text += fmt.Sprintf("; everybody with %s on a %s can be made %s", t.Relation, t.Type, m.name)
			}
		}
		parts = append(parts, text)
	}
	if len(k.removed) > 0 {
		parts = append(parts, fmt.Sprintf("no longer accepts %s, and such tuples must be deleted first", nameList(kindNames(k.removed))))
	}
	return parts
}

// exprSentences says how two expressions differ, as far as they are built the
// same way.
func (d *differ) exprSentences(m member, was, is Expr, own direction, same bool) []string {
	if same {
		return []string{"is written in another way; the same subjects are allowed and denied, only errors and conditions can be told differently"}
	}
	if out := sentences(d.old.defs[m.typ], d.new.defs[m.typ], was, is); len(out) > 0 {
		return out
	}
	switch own {
	case wider:
		return []string{"is wider: nobody loses it, some may gain it"}
	case narrower:
		return []string{"is narrower: nobody gains it, some may lose it"}
	}
	return []string{fmt.Sprintf("allows whoever %s, instead of whoever %s", d.new.defs[m.typ].who(is), d.old.defs[m.typ].who(was))}
}

// sentences compares the outermost operators, nil if these are too different.
func sentences(before, now *Definition, was, is Expr) []string {
	if _, none := is.(*Nil); none {
		return []string{"nobody has it any more"}
	}
	if _, none := was.(*Nil); none {
		return each(now, []Expr{is}, "whoever %s gains it, which nobody had")
	}
	wasBase, wasMinus := parts(was)
	isBase, isMinus := parts(is)
	if len(wasMinus)+len(isMinus) > 0 {
		gone, came, _ := lacking(wasMinus, isMinus)
		out := slices.Concat(each(before, gone, "whoever %s is no longer kept out"), each(now, came, "whoever %s loses it"))
		switch {
		case printExpr(wasBase) == printExpr(isBase):
			return out
		case len(out) > 0:
			return nil
		}
		return sentences(before, now, wasBase, isBase)
	}
	if gone, came, kept := lacking(needs(was), needs(is)); kept > 0 {
		return slices.Concat(each(now, came, "only whoever also %s keeps it"), each(before, gone, "it is no longer needed that one %s"))
	}
	if gone, came, kept := lacking(alternatives(was), alternatives(is)); kept > 0 {
		return slices.Concat(each(now, came, "whoever %s gains it"), each(before, gone, "it is no longer enough that one %s"))
	}
	return nil
}

// parts splits e at its last exclusion: what is kept, and the alternatives that
// are taken away.
func parts(e Expr) (base Expr, minus []Expr) {
	if x, ok := e.(*Exclusion); ok {
		return x.Base, alternatives(x.Minus)
	}
	return e, nil
}

// alternatives returns the operands of a union, or e itself.
func alternatives(e Expr) []Expr {
	if u, ok := e.(*Union); ok {
		return u.Children
	}
	return []Expr{e}
}

// needs returns the operands of an intersection, or e itself.
func needs(e Expr) []Expr {
	if u, ok := e.(*Intersection); ok {
		return u.Children
	}
	return []Expr{e}
}

// lacking returns what only one of two lists has, and how many both have.
func lacking(was, is []Expr) (gone, came []Expr, kept int) {
	only := func(a, b []Expr) []Expr {
		have := map[string]bool{}
		for _, e := range b {
			have[printExpr(e)] = true
		}
		return slices.DeleteFunc(slices.Clone(a), func(e Expr) bool { return have[printExpr(e)] })
	}
	gone, came = only(was, is), only(is, was)
	return gone, came, len(was) - len(gone)
}

// each makes a sentence of each expression, the first few of them.
func each(d *Definition, exprs []Expr, format string) []string {
	const most = 5
	var out []string
	for i, e := range exprs {
		if i == most {
			return append(out, fmt.Sprintf("and so on for %d more", len(exprs)-most))
		}
		out = append(out, fmt.Sprintf(format, d.who(e)))
	}
	return out
}

// who completes "whoever ..." for an expression of d.
func (d *Definition) who(e Expr) string {
	switch e := e.(type) {
	case *Ref:
		return d.has(e.Name)
	case *Arrow:
		if e.All {
			return fmt.Sprintf("has %s on all of its %s", e.Target, e.Tupleset)
		}
		return fmt.Sprintf("has %s on its %s", e.Target, e.Tupleset)
	case *Self:
		return "is the " + d.Name + " itself"
	case *This:
		return "is named in its tuples"
	case *Nil:
		return "is nobody"
	case *Union:
		var all []string
		for _, c := range e.Children {
			if operator(c) != "" {
				return "fits " + clipped(printExpr(e))
			}
			all = append(all, d.who(c))
		}
		return clipped(strings.Join(all, " or "))
	}
	return "fits " + clipped(printExpr(e))
}

func (d *Definition) has(name string) string {
	for _, r := range d.Relations {
		if r.Name == name && !r.IsPermission() {
			return "is " + name
		}
	}
	return "has " + name
}

// clipped cuts what is too long to read; Before and After have all of it.
func clipped(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "..."
	}
	return text
}

func sameExpr(a, b Expr) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return printExpr(a) == printExpr(b)
}

// WriteChanges prints changes for people, grouped by definition, each with what
// was and is written and what inherits it. Without changes it says so.
func WriteChanges(w io.Writer, changes []Change) error {
	out := bufio.NewWriter(w)
	if len(changes) == 0 {
		fmt.Fprintln(out, "the schemas mean the same")
	}
	heading := ""
	for i, c := range changes {
		h := "definition " + c.Type
		if c.What == DeclaredCaveat {
			h = "caveat " + c.Name
		}
		if h != heading {
			if i > 0 {
				fmt.Fprintln(out)
			}
			heading = h
			fmt.Fprintln(out, heading)
		}
		writeChange(out, &c)
	}
	return out.Flush()
}

func writeChange(out io.Writer, c *Change) {
	fmt.Fprintf(out, "  %v: %s\n", c.Kind, c.Text)
	for _, kind := range []ChangeKind{Widened, Narrowed, Changed} {
		var names []string
		for _, e := range c.Effects {
			if e.Kind == kind {
				names = append(names, e.Type+"#"+e.Name)
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(out, "    thereby %v: %s\n", kind, strings.Join(names, ", "))
		}
	}
	if c.Cut {
		fmt.Fprintln(out, "    what inherits this is too much to work out")
	}
	for _, side := range []struct{ sign, text string }{{"-", c.Before}, {"+", c.After}} {
		for line := range strings.Lines(side.text) {
			fmt.Fprintf(out, "    %s %s\n", side.sign, strings.TrimSuffix(line, "\n"))
		}
	}
}
