package graph

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// Whatever the text: Parse and Validate return, and a schema that parses is
// the same after it was printed, however often.
func FuzzParseSchema(f *testing.F) {
	for _, pattern := range []string{"good/*.zed", "bad/*.txt", "*.txt"} {
		for _, name := range schemaFiles(f, pattern) {
			for _, c := range sections(readFile(f, name), "====") {
				f.Add(sections(c, "----")[0])
			}
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := Parse(source)
		if err != nil {
			return
		}
		printed := Print(s)
		if len(printed) > MaxSource {
			return
		}
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%v in what Print wrote:\n%s", err, printed)
		}
		if diff := cmp.Diff(s, again, exceptPos); diff != "" {
			t.Fatalf("Parse(Print(s)) is not s (-want +got):\n%s", diff)
		}
		if second := Print(again); second != printed {
			t.Fatalf("Print is not stable:\n%s\n%s", printed, second)
		}
		warnings, err := Validate(s)
		warningsAgain, errAgain := Validate(again)
		if (err == nil) != (errAgain == nil) || len(warnings) != len(warningsAgain) {
			t.Fatalf("Validate differs after Print: %v, %v; %v, %v", err, errAgain, warnings, warningsAgain)
		}
	})
}

// Whatever the schemas: Diff returns, finds nothing where one was only printed
// anew, and what changes nothing one way changes nothing back.
func FuzzDiff(f *testing.F) {
	for _, c := range sections(readFile(f, "testdata/diff/changes.txt"), "====") {
		sides := sections(sections(c, "----")[0], "--->")
		f.Add(sides[0], sides[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		var sides [2]*Schema
		for i, source := range []string{a, b} {
			s, err := Parse(source)
			if err == nil {
				_, err = Validate(s)
			}
			if err != nil {
				return
			}
			sides[i] = s
		}
		if again, err := Parse(Print(sides[0])); err == nil && len(Diff(sides[0], again)) > 0 {
			t.Fatalf("printing changes %v", Diff(sides[0], again))
		}
		there, back := Diff(sides[0], sides[1]), Diff(sides[1], sides[0])
		if (len(there) == 0) != (len(back) == 0) {
			t.Fatalf("there: %v; back: %v", there, back)
		}
		if err := WriteChanges(io.Discard, there); err != nil {
			t.Fatal(err)
		}
	})
}

const allParams = "i int, u uint, b bool, s string, d double, y bytes, r duration, t timestamp, ip ipaddress, a any, l list<int>, m map<string>"

// Whatever the expression and the context: Eval returns, always the same, and
// what it decides without an argument stays decided with it.
func FuzzCaveatEval(f *testing.F) {
	full := `{"i":1,"u":"2","b":true,"s":"x","d":1.5,"y":"aGk=","r":"1h","t":"2030-01-01T00:00:00Z","ip":"10.0.0.1","a":{"k":[1,null]},"l":[1,2],"m":{"k":"v"}}`
	for _, body := range []string{
		`i == 1 && u == 2u || b`, `s.startsWith("x") && d < 2.0 && y == b"hi"`,
		`r > duration("1m") && t.getFullYear() > 2000 && ip.in_cidr("10.0.0.0/8")`,
		`a.k[0] == i`, `l.exists(x, x > 1) && m.all(k, m[k] != "")`, `1 / i == 1`, `m.isSubtreeOf({"k": s})`, `s.matches(s)`,
	} {
		f.Add(body, full, "i")
		f.Add(body, `{}`, "s")
	}
	f.Fuzz(func(t *testing.T, body, context, dropped string) {
		s, err := Parse("caveat c(" + allParams + ") {" + body + "}")
		if err != nil || len(s.Caveats) != 1 {
			return
		}
		c, err := CompileCaveat(s.Caveats[0])
		if err != nil {
			return
		}
		args, err := tuple.DecodeContext([]byte(context))
		if err != nil {
			return
		}
		value, missing, err := c.Eval(args)
		if err != nil && strings.Contains(err.Error(), "internal error") {
			t.Fatalf("Eval: %v", err)
		}
		if (err != nil || missing != nil) && value {
			t.Fatalf("Eval = %v, %v, %v", value, missing, err)
		}
		for _, name := range missing {
			if _, given := args[name]; given || c.params[name].Name == "" {
				t.Fatalf("%q is missing of %s", name, context)
			}
		}
		checkLess(t, c, args, dropped, value, missing, err)
	})
}

// checkLess compares Eval without one argument to Eval with all.
func checkLess(t *testing.T, c *CompiledCaveat, args map[string]any, dropped string, value bool, missing []string, err error) {
	less := maps.Clone(args)
	delete(less, dropped)
	lessValue, lessMissing, lessErr := c.Eval(less)
	if lessErr != nil || lessMissing != nil || err != nil {
		return
	}
	if value != lessValue || !slices.Equal(missing, lessMissing) {
		text, _ := json.Marshal(args)
		t.Fatalf("%s for %s: %v, %v; without %q: %v", c.caveat.Body, text, value, missing, dropped, lessValue)
	}
}
