package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// maxErrors bounds how many mistakes one Validate reports.
const maxErrors = 20

// A SchemaError is one mistake in a schema: where it is, the offending word,
// what is wrong and what was probably meant.
type SchemaError struct {
	Line, Col int    // from 1, columns in runes; 0 = the schema has no text
	Word      string // "" = there is no word to point at, as at the end of the text
	Message   string
	Hint      string // "" = none
}

// Error returns one line: position, word, message and hint.
func (e *SchemaError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Col)
	}
	if e.Word != "" {
		b.WriteString(quoteWord(e.Word) + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// SchemaErrors are the mistakes of one schema in the order of the text, at
// least one and at most 20. Parse and Validate return no other error type.
type SchemaErrors []*SchemaError

// Error returns one line for each mistake.
func (es SchemaErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single *SchemaError.
func (es SchemaErrors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// quoteWord quotes w so that an error stays one readable line.
func quoteWord(w string) string {
	const most = 80
	if r := []rune(w); len(r) > most {
		return strconv.QuoteToGraphic(string(r[:most])) + "..."
	}
	return strconv.QuoteToGraphic(w)
}

func errorAt(pos Pos, word, format string, args ...any) *SchemaError {
	return &SchemaError{Line: pos.Line, Col: pos.Col, Word: word, Message: fmt.Sprintf(format, args...)}
}

// hintFor suggests the candidate that word most resembles, or "". It looks at
// a bounded number of names of bounded length, so that a hostile schema does
// not make its own errors expensive.
func hintFor(word string, candidates []string) string {
	const mostNames, mostLen = 10_000, 64
	if len(word) > mostLen {
		return ""
	}
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, c := range candidates[:min(len(candidates), mostNames)] {
		if len(c) > mostLen || abs(len(c)-len(word)) > bestDistance {
			continue
		}
		// Of two equally close names the longer one: letters get lost.
		d := editDistance(word, c)
		if d < bestDistance || d == bestDistance && best != "" && len(c) > len(best) {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b, in bytes.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
