package graph

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var rewriteSchemas = flag.Bool("rewrite-schemas", false, "write the expected output of testdata/schema anew")

// exceptPos compares schemas but for the places of their parts.
var exceptPos = cmpopts.IgnoreTypes(Pos{})

func mustParse(t testing.TB, source string) *Schema {
	t.Helper()
	s, err := Parse(source)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, source)
	}
	return s
}

// sections cuts text at the lines that are exactly cut.
func sections(text, cut string) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == cut {
			out = append(out, b.String())
			b.Reset()
			continue
		}
		b.WriteString(line)
	}
	return append(out, b.String())
}

// A good schema is printed as the part after "==== printed", or as it is.
func TestGoodSchemas_RoundTrip(t *testing.T) {
	for _, name := range schemaFiles(t, "good/*.zed") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			parts := sections(readFile(t, name), "==== printed")
			s := mustParse(t, parts[0])
			if _, err := Validate(s); err != nil {
				t.Fatalf("validate: %v", err)
			}
			got := Print(s)
			if diff := cmp.Diff(parts[len(parts)-1], got); diff != "" {
				t.Errorf("Print (-want +got):\n%s", diff)
			}
			again := mustParse(t, got)
			if diff := cmp.Diff(s, again, exceptPos); diff != "" {
				t.Errorf("Parse(Print(s)) is not s (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, Print(again)); diff != "" {
				t.Errorf("Print is not stable (-first +second):\n%s", diff)
			}
		})
	}
}

func TestBadSchemas_SayExactlyWhatIsWrong(t *testing.T) {
	for _, name := range schemaFiles(t, "bad/*.txt") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			runCases(t, name, func(s *Schema, err error) string {
				if err == nil {
					_, err = Validate(s)
				}
				return fmt.Sprintln(err)
			})
		})
	}
}

func TestWarnings_AreAsWritten(t *testing.T) {
	runCases(t, "testdata/schema/warnings.txt", func(s *Schema, err error) string {
		if err != nil {
			return err.Error()
		}
		warnings, err := Validate(s)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for _, w := range warnings {
			fmt.Fprintln(&b, w)
		}
		return b.String()
	})
}

// runCases runs a file of cases: remarks (# ...), a schema, "----", the
// expected output; "====" between cases. Lines count from the first line of
// the schema.
func runCases(t *testing.T, name string, run func(*Schema, error) string) {
	t.Helper()
	var rewritten []string
	for _, c := range sections(readFile(t, name), "====") {
		parts := sections(c, "----")
		if len(parts) != 2 {
			t.Fatalf("a case has one \"----\":\n%s", c)
		}
		source := parts[0]
		for strings.HasPrefix(source, "# ") {
			_, source, _ = strings.Cut(source, "\n")
		}
		got := run(Parse(source))
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

func schemaFiles(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata/schema", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files like %s: %v", pattern, err)
	}
	return names
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
