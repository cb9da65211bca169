package graph

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// compileCaveat compiles the one caveat "c(params) { body }".
func compileCaveat(t testing.TB, params, body string) *CompiledCaveat {
	t.Helper()
	c, err := CompileCaveat(mustParse(t, "caveat c("+params+") {"+body+"}").Caveats[0])
	if err != nil {
		t.Fatalf("compile %s: %v", body, err)
	}
	return c
}

func caveatArgs(t testing.TB, text string) map[string]any {
	t.Helper()
	m, err := tuple.DecodeContext([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// evaluated is Eval's outcome in one line.
func evaluated(c *CompiledCaveat, args map[string]any) string {
	value, missing, err := c.Eval(args)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case missing != nil:
		return "missing " + strings.Join(missing, ", ")
	}
	return fmt.Sprint(value)
}

func TestCaveat_EveryParameterType(t *testing.T) {
	for _, c := range []struct{ typ, value, body string }{
		{"int", `-42`, `v == -42`},
		{"int", `"9223372036854775807"`, `v == 9223372036854775807`},
		{"int", `9007199254740993`, `v == 9007199254740993`},
		{"int", `5.0`, `v == 5`},
		{"int", `1e3`, `v == 1000`},
		{"uint", `42`, `v == 42u`},
		{"uint", `"18446744073709551615"`, `v == 18446744073709551615u`},
		{"bool", `true`, `v`},
		{"string", `"ä"`, `v == "ä" && v.size() == 1`},
		{"double", `1.5`, `v == 1.5`},
		{"double", `2`, `v == 2.0`},
		{"bytes", `"aGk="`, `v == b"hi"`},
		{"duration", `"1h30m"`, `v == duration("90m")`},
		{"timestamp", `"2030-01-31T12:00:00+02:00"`, `v == timestamp("2030-01-31T10:00:00Z") && v.getHours() == 10`},
		{"ipaddress", `"10.1.2.3"`, `v.in_cidr("10.0.0.0/8") && !v.in_cidr("11.0.0.0/8")`},
		{"ipaddress", `"10.1.2.3"`, `v.in_cidr("10.9.9.9/8")`},
		{"ipaddress", `"2001:db8::1"`, `v.in_cidr("2001:db8::/32") && !v.in_cidr("0.0.0.0/0")`},
		{"ipaddress", `"::ffff:10.1.2.3"`, `v.in_cidr("10.0.0.0/8") && v.in_cidr("::ffff:10.0.0.0/104")`},
		{"list<ipaddress>", `["::1", "0:0::1"]`, `v[0] == v[1]`},
		{"any", `null`, `v == null`},
		{"any", `6`, `v == 6 && v > 5 && v < 6.5 && 5u < v`},
		{"any", `{"a": [true, "x", {"b": 1}]}`, `v.a[0] && v.a[1] == "x" && v.a[2].b == 1`},
		{"any", `9007199254740993`, `v != 9007199254740992 && v == 9007199254740993`},
		{"any", `18446744073709551615`, `v == 18446744073709551615u`},
		{"list<int>", `[1, "2", 3.0]`, `v == [1, 2, 3] && 2 in v`},
		{"list<list<duration>>", `[["1s"], []]`, `v[0][0] == duration("1s") && v.size() == 2`},
		{"map<int>", `{"a": 1, "b c": 2}`, `v == {"a": 1, "b c": 2} && v.a == 1 && "b c" in v && has(v.a) && !has(v.x)`},
		{"map<list<any>>", `{"a": [1, "x"]}`, `v.a.exists(e, e == "x")`},
		{"map<string>", `{"z": "", "a": "", "m": ""}`, `v.map(k, k) == ["a", "m", "z"]`},
		{"map<any>", `{"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}`,
			`{"a": 1, "b": {"c": 2}}.isSubtreeOf(v) && {}.isSubtreeOf(v) && !v.isSubtreeOf({"a": 1}) && !{"b": {"c": 3}}.isSubtreeOf(v)`},
	} {
		args := caveatArgs(t, `{"v": `+c.value+`, "other": "ignored"}`)
		caveat := compileCaveat(t, "v "+c.typ, c.body)
		if got := evaluated(caveat, args); got != "true" {
			t.Errorf("%s %s: %s is %s", c.typ, c.value, c.body, got)
		}
		if err := caveat.Check("v", args["v"]); err != nil {
			t.Errorf("%s %s: %v", c.typ, c.value, err)
		}
	}
}

func TestCaveat_ValueOfTheWrongType(t *testing.T) {
	for _, c := range []struct{ typ, value, want string }{
		{"int", `"five"`, `v "five": parameter v of caveat c wants an int, as 42 or "42"`},
		{"int", `1.5`, `v "1.5": parameter v of caveat c wants an int, as 42 or "42"`},
		{"int", `9223372036854775808`, `v "9223372036854775808": parameter v of caveat c wants an int, as 42 or "42"`},
		{"int", `1e999999999`, `v "1e999999999": parameter v of caveat c wants an int, as 42 or "42"`},
		{"int", `null`, `v "null": parameter v of caveat c wants an int, as 42 or "42"`},
		{"uint", `-1`, `v "-1": parameter v of caveat c wants a uint, as 42 or "42"`},
		{"bool", `"true"`, `v "true": parameter v of caveat c wants a bool, as true`},
		{"string", `5`, `v "5": parameter v of caveat c wants a string`},
		{"double", `"1.5"`, `v "1.5": parameter v of caveat c wants a double, as 1.5`},
		{"double", `1e400`, `v "1e400": parameter v of caveat c wants a double, as 1.5`},
		{"bytes", `"?"`, `v "?": parameter v of caveat c wants bytes in base64, as "aGk="`},
		{"duration", `90`, `v "90": parameter v of caveat c wants a duration, as "1h30m"`},
		{"timestamp", `"yesterday"`, `v "yesterday": parameter v of caveat c wants a timestamp in RFC 3339, as "2030-01-31T12:00:00Z"`},
		{"ipaddress", `"10.0.0"`, `v "10.0.0": parameter v of caveat c wants an ipaddress without zone, as "10.0.0.1" or "2001:db8::1"`},
		{"ipaddress", `"fe80::1%eth0"`, `v "fe80::1%eth0": parameter v of caveat c wants an ipaddress without zone, as "10.0.0.1" or "2001:db8::1"`},
		{"list<int>", `{"a": 1}`, `v "{\"a\":1}": parameter v of caveat c wants a list<int>`},
		{"list<int>", `[1, "x"]`, `v[1] "x": parameter v of caveat c wants an int, as 42 or "42"`},
		{"map<list<bool>>", `{"a": [true, 0]}`, `v.a[1] "0": parameter v of caveat c wants a bool, as true`},
		{"any", `1e400`, `v "1e400": parameter v of caveat c wants any JSON value`},
		{"list<int>", "[" + strings.Repeat("0,", maxCaveatMemory) + "0]", `v "...": parameter v of caveat c wants at most 10000 elements and tens of bytes`},
	} {
		caveat := compileCaveat(t, "v "+c.typ, "v == v")
		args := caveatArgs(t, `{"v": `+c.value+`}`)
		want := "context." + c.want
		_, missing, err := caveat.Eval(args)
		if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" || missing != nil {
			t.Errorf("%s %.50s (-want +got):\n%s", c.typ, c.value, diff)
		}
		var field *tuple.FieldError
		if !errors.As(err, &field) {
			t.Errorf("%T is no *tuple.FieldError", err)
		}
		if err := caveat.Check("v", args["v"]); fmt.Sprint(err) != want {
			t.Errorf("Check: %v, want %s", err, want)
		}
	}
}

func TestCaveat_CheckRefusesUnknownParameter(t *testing.T) {
	err := compileCaveat(t, "limit int, used int", "used < limit").Check("limt", 5)
	want := `context.limt "5": caveat c has no such parameter, did you mean "limit"?`
	if fmt.Sprint(err) != want {
		t.Errorf("Check: %v, want %s", err, want)
	}
}

func TestCaveat_NamesWhatIsMissing(t *testing.T) {
	const params = "a int, b int, l list<int>, m map<any>"
	for _, c := range []struct{ body, args, want string }{
		{`a > 1 && b > 1`, `{}`, "missing a, b"},
		{`b > 1 && a > 1`, `{}`, "missing a, b"},
		{`a > 1 && b > 1`, `{"a": 2}`, "missing b"},
		{`a > 1 && b > 1`, `{"a": 0}`, "false"},
		{`a > 1 && b > 1`, `{"b": 0}`, "false"},
		{`a > 1 || b > 1`, `{"b": 2}`, "true"},
		{`a > 1 || b > 1`, `{"b": 0}`, "missing a"},
		{`a > 1 ? b > 1 : true`, `{"a": 0}`, "true"},
		{`a > 1 ? b > 1 : true`, `{"b": 0}`, "missing a"},
		{`l.exists(x, x == a)`, `{"a": 1}`, "missing l"},
		{`l.exists(x, x == a)`, `{"l": [1]}`, "missing a"},
		{`l.exists(x, x == a)`, `{"l": []}`, "false"},
		{`m.k.n == 1`, `{}`, "missing m"},
		{`has(m.k) || a == 1`, `{"m": {}}`, "missing a"},
		{`true`, `{}`, "true"},
		{`a == a`, `{}`, "missing a"},
	} {
		if got := evaluated(compileCaveat(t, params, c.body), caveatArgs(t, c.args)); got != c.want {
			t.Errorf("%s with %s is %s, want %s", c.body, c.args, got, c.want)
		}
	}
}

func TestCaveat_RunTimeErrorIsNoAnswer(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`1 / n == 1`, "error: division by zero"},
		{`m.k == 1`, "error: no such key: k"},
		{`ip.in_cidr("10.0.0.0/33")`, `error: in_cidr: "10.0.0.0/33" is no network, as "10.0.0.0/8"`},
		{`n + 9223372036854775807 > n + 1 && 9223372036854775807 + (n + 1) > 0`, "error: integer overflow"},
		{`1 / n == 1 || true`, "true"},
		{`1 / n == 1 && false`, "false"},
	} {
		caveat := compileCaveat(t, "n int, m map<any>, ip ipaddress", c.body)
		if got := evaluated(caveat, caveatArgs(t, `{"n": 0, "m": {}, "ip": "10.0.0.1"}`)); got != c.want {
			t.Errorf("%s is %s, want %s", c.body, got, c.want)
		}
	}
}

// Each of these would run for seconds to years.
func TestCaveat_BoundsHostileExpressions(t *testing.T) {
	args := caveatArgs(t, `{"l": [`+strings.Repeat("1,", 1999)+`1], "s": "`+strings.Repeat("x", 60_000)+
		`", "r": "`+strings.Repeat("(x?){500}", 100)+`y"}`)
	args["m"] = map[string]any{"l": args["l"]}
	for body, want := range map[string]string{
		`l.all(x, l.all(y, l.all(z, x + y + z < 10)))`: "actual cost limit exceeded",
		`l.map(x, l.map(y, l.map(z, x))).size() == 0`:  "actual cost limit exceeded",
		`l.all(x, m == m)`:                                            "actual cost limit exceeded",
		`l.all(x, m.isSubtreeOf(m))`:                                  "actual cost limit exceeded",
		`l.all(x, string(bytes(s)) == s)`:                             "actual cost limit exceeded",
		`[s]` + strings.Repeat(".map(s, s + s)", 40) + ` == []`:       "memory limit exceeded",
		`[l]` + strings.Repeat(".map(l, l + l)", 40) + ` == []`:       "memory limit exceeded",
		`[1]` + strings.Repeat(".map(l, dyn([l, l]))", 40) + ` == []`: "memory limit exceeded",
		`s.matches(r)`: "regex program size",
	} {
		got := evaluated(compileCaveat(t, "l list<int>, s string, r string, m map<any>", body), args)
		if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, want) {
			t.Errorf("%s is %s, want an error: %s", body, got, want)
		}
	}
}

func TestCaveat_EvalIsSafeForConcurrentUse(t *testing.T) {
	caveat := compileCaveat(t, "n int, l list<int>", "l.exists(x, x == n)")
	var wg sync.WaitGroup
	for n := range 8 {
		args := map[string]any{"n": float64(n)}
		want := "missing l"
		if n%2 == 0 {
			args["l"] = []any{0.0, 4.0}
			want = fmt.Sprint(n%4 == 0)
		}
		wg.Go(func() {
			for range 100 {
				if got := evaluated(caveat, args); got != want {
					t.Errorf("n = %d: %s, want %s", n, got, want)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkCaveatEval(b *testing.B) {
	caveat := compileCaveat(b, "hour int, ip ipaddress, network string", `hour >= 8 && ip.in_cidr(network)`)
	args := caveatArgs(b, `{"hour": 9, "ip": "10.1.2.3", "network": "10.0.0.0/8"}`)
	for _, name := range []string{"full", "partial"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := caveat.Eval(args); err != nil {
					b.Fatal(err)
				}
			}
		})
		delete(args, "ip")
	}
}
