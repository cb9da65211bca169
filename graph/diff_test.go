package graph

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A file of testdata/diff holds cases: remarks (# ...), the old schema, "--->",
// the new one, "----", what WriteChanges says; "====" between cases.
func TestDiff_SaysWhatChangesForWhom(t *testing.T) {
	names, err := filepath.Glob("testdata/diff/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		var rewritten []string
		for _, c := range sections(readFile(t, name), "====") {
			parts := sections(c, "----")
			source := parts[0]
			for strings.HasPrefix(source, "# ") {
				_, source, _ = strings.Cut(source, "\n")
			}
			sides := sections(source, "--->")
			if len(parts) != 2 || len(sides) != 2 {
				t.Fatalf("%s: a case has one \"--->\" and one \"----\":\n%s", name, c)
			}
			got := changesText(t, valid(t, sides[0]), valid(t, sides[1]))
			if diff := cmp.Diff(parts[1], got); diff != "" && !*rewriteSchemas {
				t.Errorf("%s(-want +got):\n%s", source, diff)
			}
			rewritten = append(rewritten, parts[0]+"----\n"+got)
		}
		if *rewriteSchemas {
			if err := os.WriteFile(name, []byte(strings.Join(rewritten, "====\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func valid(t testing.TB, source string) *Schema {
	t.Helper()
	s := mustParse(t, source)
	if _, err := Validate(s); err != nil {
		t.Fatalf("validate: %v\n%s", err, source)
	}
	return s
}

func changesText(t testing.TB, old, new *Schema) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteChanges(&b, Diff(old, new)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompare_ClaimsWhatHoldsForAllValues(t *testing.T) {
	for _, c := range []struct {
		old, new string
		want     direction
		same     bool
	}{
		{"a + b", "b + a", 0, true},
		{"a + (b + a)", "a + b", 0, true},
		{"a & (a + b)", "a", 0, true},
		{"a + (a & b)", "a", 0, true},
		{"a + nil", "a", 0, true},
		{"a & nil", "nil", 0, true},
		{"a - nil", "a", 0, true},
		{"nil - a", "nil", 0, true},
		{"(a - b) & a", "a - b", 0, true},
		{"(a & c) - b", "(a - b) & c", 0, true},
		{"a - b - c", "a - c - b", 0, true},
		{"p->v", "p.any(v)", 0, true},
		{"a", "a + b", wider, false},
		{"a + b", "a", narrower, false},
		{"a", "a & b", narrower, false},
		{"a & b", "a", wider, false},
		{"a", "a - b", narrower, false},
		{"a - b", "a", wider, false},
		{"a - b", "(a + c) - b", wider, false},
		{"a - b", "a - (b & c)", wider, false},
		{"a - b", "a - (b + c)", narrower, false},
		{"a - (b - c)", "a - b", narrower, false},
		{"(a & b) + c", "(a + c) & (b + c)", wider, false}, // equal, but only one half has a rule
		{"p.all(v)", "p->v", wider, false},
		{"p->v", "p.all(v)", narrower, false},
		{"a", "b", either, false},
		{"a + b", "a + c", either, false},
		{"p->v", "p->w", either, false},
		{"a - b", "b - a", either, false},
		{"a - (b - c)", "a - (c - b)", either, false},
		{"self", "nil", narrower, false},
		{"a - (b + c)", "a - b - c", either, true},
		{"a + (a - b)", "a", 0, true},
	} {
		parse := func(expr string) *Relation {
			s := mustParse(t, "use self\ndefinition d { permission x = "+expr+"\n}")
			return s.Definitions[0].Relations[0]
		}
		f := &former{forms: newForms(), own: map[string]*Relation{}}
		f.settled = func(string) bool { return true }
		got, same := f.compare(f.body(parse(c.old)), f.body(parse(c.new)))
		if got != c.want || same != c.same {
			t.Errorf("compare(%s, %s) = %v, %v; want %v, %v", c.old, c.new, got, same, c.want, c.same)
		}
	}
}

// Random pairs of expressions, for all values of their atoms: what compare
// claims, holds.
func TestCompare_ClaimsHoldForAllValues(t *testing.T) {
	sequential(t)
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	count := map[direction]int{}
	for i := range 4000 {
		f := &former{forms: newForms(), own: map[string]*Relation{}}
		f.settled = func(string) bool { return true }
		old := randomPart(r, 3)
		new := randomPart(r, 3)
		if i%2 == 0 {
			new = randomlyChanged(r, old)
		}
		d, same := f.compare(f.expr(old), f.expr(new))
		count[d]++
		for n := range 4 * 4 * 4 * 4 {
			at := map[string]level{"a": level(n & 3), "b": level(n >> 2 & 3), "p->v": level(n >> 4 & 3), "p.all(v)": level(n >> 6 & 3)}
			if at["p.all(v)"] > at["p->v"] {
				continue
			}
			was, is := valueOf(old, at), valueOf(new, at)
			if d == 0 && was != is || (same || d == wider) && sure(is) < sure(was) || (same || d == narrower) && sure(is) > sure(was) {
				t.Fatalf("seed %d: compare(%s, %s) = %v, %v; with %v they are %v and %v", seed, printExpr(old), printExpr(new), d, same, at, was, is)
			}
		}
	}
	for d := range direction(4) {
		if count[d] < 100 {
			t.Errorf("%d pairs of direction %d", count[d], d)
		}
	}
}

// sure puts what is open and what failed between denied and allowed.
func sure(v level) int { return [...]int{denied: 0, conditional: 1, failed: 1, allowed: 2}[v] }

func valueOf(e Expr, at map[string]level) level {
	switch e := e.(type) {
	case *Nil:
		return denied
	case *Union:
		v := denied
		for _, c := range e.Children {
			v = max(v, valueOf(c, at))
		}
		return v
	case *Intersection:
		v := allowed
		for _, c := range e.Children {
			v = min(v, valueOf(c, at))
		}
		return v
	case *Exclusion:
		not := [...]level{denied: allowed, conditional: conditional, failed: failed, allowed: denied}
		return min(valueOf(e.Base, at), not[valueOf(e.Minus, at)])
	}
	return at[printExpr(e)]
}

func randomPart(r *rand.Rand, depth int) Expr {
	if depth == 0 || r.IntN(4) == 0 {
		return []Expr{&Ref{Name: "a"}, &Ref{Name: "b"}, &Arrow{Tupleset: "p", Target: "v"}, &Arrow{Tupleset: "p", Target: "v", All: true}, &Nil{}}[min(r.IntN(12)/2, 4)]
	}
	children := []Expr{randomPart(r, depth-1), randomPart(r, depth-1)}
	switch r.IntN(4) {
	case 0:
		return &Intersection{Children: children}
	case 1:
		return &Exclusion{Base: children[0], Minus: children[1]}
	}
	return &Union{Children: children}
}

// randomlyChanged changes one place of e.
func randomlyChanged(r *rand.Rand, e Expr) Expr {
	if children := childrenOf(e); children != nil && r.IntN(3) > 0 {
		k := r.IntN(len(children))
		changed := slices.Clone(children)
		changed[k] = randomlyChanged(r, changed[k])
		switch e.(type) {
		case *Union:
			return &Union{Children: changed}
		case *Intersection:
			return &Intersection{Children: changed}
		}
		return &Exclusion{Base: changed[0], Minus: changed[1]}
	}
	other := randomPart(r, 1)
	switch r.IntN(4) {
	case 0:
		return &Union{Children: []Expr{other, e, e}}
	case 1:
		return &Intersection{Children: []Expr{e, other}}
	case 2:
		return &Exclusion{Base: e, Minus: other}
	}
	return other
}

// Where much changes, Diff ends, and claims nothing that it did not work out.
func TestDiff_BoundsEffects(t *testing.T) {
	sequential(t)
	const n = 2000
	chain := func(tail string) *Schema {
		var b strings.Builder
		b.WriteString("definition user {}\ndefinition doc {\nrelation a: user\nrelation b: user\n")
		for i := range n {
			fmt.Fprintf(&b, "permission p%d = p%d + %s\n", i, min(i+1, n), tail)
		}
		fmt.Fprintf(&b, "permission p%d = a\n}", n)
		return valid(t, b.String())
	}
	changes := Diff(chain("nil"), chain("b"))
	if len(changes) != n {
		t.Fatalf("%d changes, want %d", len(changes), n)
	}
	total := 0
	for _, c := range changes {
		total += len(c.Effects)
		if c.Cut && (c.Kind != Changed || c.Effects != nil) {
			t.Fatalf("%+v is cut, but claims something", c)
		}
	}
	if total > mostEffects || !changes[n-1].Cut {
		t.Errorf("%d effects, the last change cut: %v", total, changes[n-1].Cut)
	}
}

// A large union or one that is deep is compared in bounded time.
func TestDiff_BoundsHostileExpressions(t *testing.T) {
	wide := func(first int) string {
		var names []string
		for i := first; i < 20_000; i++ {
			names = append(names, fmt.Sprintf("p%d->q", i))
		}
		return strings.Join(names, " + ")
	}
	deep := strings.Repeat("((a + b) & (a - b) - ", 40) + "a" + strings.Repeat(")", 40)
	for _, pair := range [][2]string{{wide(0), wide(1)}, {wide(0) + " & a", wide(1) + " & b"}, {deep, strings.Replace(deep, "b", "c", 1)}} {
		parse := func(expr string) *Relation {
			return mustParse(t, "definition d { permission x = "+expr+"\n}").Definitions[0].Relations[0]
		}
		f := &former{forms: newForms(), own: map[string]*Relation{}}
		f.compare(f.body(parse(pair[0])), f.body(parse(pair[1])))
	}
}

func TestChange_PrintsOneLine(t *testing.T) {
	changes := Diff(valid(t, "definition user {}"), valid(t, "definition user {}\ndefinition doc { relation a: user }"))
	got := make([]string, 0, len(changes))
	for _, c := range changes {
		got = append(got, c.String())
	}
	if want := []string{"added: doc is a new type, with a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
