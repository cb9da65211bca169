package graph

import (
	"bufio"
	"io"
	"strings"
)

// textWriter writes indented lines. The first error stays, and is told at the end.
type textWriter struct{ b *bufio.Writer }

func newTextWriter(w io.Writer) textWriter { return textWriter{bufio.NewWriter(w)} }

// line writes one line of parts, without blanks at its end.
func (t textWriter) line(parts ...string) {
	_, _ = t.b.WriteString(strings.TrimRight(strings.Join(parts, ""), " ")) // Flush returns the error
	_ = t.b.WriteByte('\n')
}

func (t textWriter) flush() error { return t.b.Flush() }

// oneLine returns text of the schema without its line breaks.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\t\r") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// defined returns "name: kinds of subjects" of a relation, "name = rewrite" of
// a permission.
func defined(name, text string, isPermission bool) string {
	switch {
	case text == "":
		return name
	case isPermission:
		return name + " = " + oneLine(text)
	}
	return name + ": " + oneLine(text)
}
