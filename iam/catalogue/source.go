package catalogue

import (
	"bytes"
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// firstLine begins every source, so that another text is not taken for one.
const firstLine = "catalogue 1"

// The sections of a source, and how many fields their rows have.
var sections = map[string]int{"kinds": 3, "verbs": 4, "roles": 5, "grants": 2}

//go:embed data/*.tsv
var data embed.FS

// ShippedSource returns the text that Shipped is parsed from. Callers must not
// change it.
func ShippedSource() []byte { return shippedSource() }

var shippedSource = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	b.WriteString(firstLine + "\n")
	for _, name := range []string{"kinds", "verbs", "roles", "grants"} {
		text, err := data.ReadFile("data/" + name + ".tsv")
		if err != nil {
			panic(err) // embedded
		}
		fmt.Fprintf(&b, "[%s]\n%s", name, text)
	}
	return b.Bytes()
})

// A row is a line of a section, cut at its tabs.
type row struct {
	line   int
	fields []string
}

// list returns a field of words with blanks between; "-" is the empty list.
func (r row) list(i int) []string {
	if r.fields[i] == "-" {
		return nil
	}
	return strings.Fields(r.fields[i])
}

func (r row) errorf(format string, args ...any) error {
	return fmt.Errorf("catalogue, line %d: %s", r.line, fmt.Sprintf(format, args...))
}

// cut returns the rows of each section. Empty lines and those that begin with
// '#' are comments.
func cut(source []byte) (map[string][]row, error) {
	rows := map[string][]row{}
	section, n := "", 0
	for line := range strings.Lines(string(source)) {
		n++
		r := row{line: n}
		line = strings.TrimRight(line, "\r\n")
		name, isHead := strings.CutPrefix(line, "[")
		switch {
		case n == 1:
			if line != firstLine {
				return nil, r.errorf("the first line has to be %q", firstLine)
			}
		case line == "" || line[0] == '#':
		case isHead:
			section = strings.TrimSuffix(name, "]")
			if _, known := sections[section]; !known || rows[section] != nil {
				return nil, r.errorf("%.100q is no section or stands here again; the sections are [kinds], [verbs], [roles], [grants], each once", line)
			}
			rows[section] = []row{}
		case section == "":
			return nil, r.errorf("a section, such as [roles], has to come before the rows")
		default:
			r.fields = strings.Split(line, "\t")
			if want := sections[section]; len(r.fields) != want {
				return nil, r.errorf("a row of [%s] has %d fields with tabs between, this has %d", section, want, len(r.fields))
			}
			if slices.Contains(r.fields, "") {
				return nil, r.errorf(`an empty field; write "-" for none`)
			}
			rows[section] = append(rows[section], r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		if rows[name] == nil {
			return nil, fmt.Errorf("catalogue: the section [%s] is missing", name)
		}
	}
	return rows, nil
}
