package graph

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEOF   tokenKind = iota
	tokenWord            // a name, a keyword, or names joined by "/"; names may have dots
	tokenPunct           // text says which
)

// A token is a piece of a schema other than blanks and comments.
type token struct {
	kind     tokenKind
	text     string
	pos      Pos
	offset   int       // of the first byte
	newline  bool      // a line break stands between the previous token and this one
	comments []comment // between the previous token and this one
}

type comment struct {
	text    string // normalized by tidyComment
	newline bool   // a line break stands between the previous token and the comment
}

// lexer cuts a schema into tokens. It reads each byte once (a caveat's body is
// read by caveatBody instead of by next), so its time is linear in the source.
type lexer struct {
	src  string
	at   int // offset of the next byte
	line int
	col  int
	end  int // offset after the last token
}

func newLexer(src string) *lexer { return &lexer{src: src, line: 1, col: 1} }

func (l *lexer) pos() Pos { return Pos{l.line, l.col} }

func (l *lexer) peek(i int) byte {
	if l.at+i < len(l.src) {
		return l.src[l.at+i]
	}
	return 0
}

// skip moves over n bytes, which end on a rune boundary.
func (l *lexer) skip(n int) {
	for _, r := range l.src[l.at : l.at+n] {
		if r == '\n' {
			l.line, l.col = l.line+1, 1
		} else {
			l.col++
		}
	}
	l.at += n
}

// next returns the next token, tokenEOF at the end of the source.
func (l *lexer) next() (token, *SchemaError) {
	t := token{}
	if err := l.skipBlanks(&t); err != nil {
		return t, err
	}
	t.pos, t.offset = l.pos(), l.at
	n := 0
	switch c := l.peek(0); {
	case l.at == len(l.src):
		return t, nil
	case isWordByte(c):
		t.kind, n = tokenWord, l.wordLen()
	case strings.HasPrefix(l.src[l.at:], "->"):
		t.kind, n = tokenPunct, 2
	case strings.HasPrefix(l.src[l.at:], "..."):
		t.kind, n = tokenPunct, 3
	case strings.IndexByte("{}()<>|&+-=:;,.#*", c) >= 0:
		t.kind, n = tokenPunct, 1
	case c == '"' || c == '\'':
		t.kind, n = tokenPunct, 1
	default:
		_, n = utf8.DecodeRuneInString(l.src[l.at:])
		return t, errorAt(t.pos, l.src[l.at:l.at+n], "this character has no meaning in a schema")
	}
	t.text = l.src[l.at : l.at+n]
	l.skip(n)
	l.end = l.at
	return t, nil
}

// wordLen measures the word at l.at: names joined by "/", as in "acme/doc",
// which may have dots, as in "iam.keys.list".
func (l *lexer) wordLen() int {
	n := 0
	for isWordByte(l.peek(n)) || l.peek(n) == '/' && isWordByte(l.peek(n+1)) || l.peek(n) == '.' && isWordByte(l.peek(n+1)) && !l.isArrow(n) {
		n++
	}
	return n
}

// isArrow reports whether n bytes on stands a dot, a word and "(", as in
// "parent.any(view)", perhaps with blanks before the parenthesis.
func (l *lexer) isArrow(n int) bool {
	for n++; isWordByte(l.peek(n)); n++ {
	}
	return strings.HasPrefix(strings.TrimLeft(l.src[l.at+n:], " \t\r\n"), "(")
}

// skipBlanks moves to the next token and notes line breaks and comments in t.
func (l *lexer) skipBlanks(t *token) *SchemaError {
	for l.at < len(l.src) {
		switch c := l.peek(0); {
		case c == '\n':
			t.newline = true
			l.skip(1)
		case c == ' ' || c == '\t' || c == '\r':
			l.skip(1)
		case c == '/' && l.peek(1) == '/':
			n := strings.IndexByte(l.src[l.at:], '\n')
			if n < 0 {
				n = len(l.src) - l.at
			}
			l.comment(t, n)
		case c == '/' && l.peek(1) == '*':
			n := strings.Index(l.src[l.at+2:], "*/")
			if n < 0 {
				return errorAt(l.pos(), "/*", "this comment has no end: \"*/\" is missing")
			}
			l.comment(t, n+4)
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) comment(t *token, n int) {
	text := l.src[l.at : l.at+n]
	t.comments = append(t.comments, comment{tidyComment(text), t.newline})
	t.newline = t.newline || strings.Contains(text, "\n")
	l.skip(n)
}

// tidyComment removes what depends on the comment's indentation, so that a
// comment printed at another depth reads back equal: lines that start with "*"
// line up under the first, others lose their common indentation.
func tidyComment(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	rest := lines[1:]
	starred, indent, first := true, "", true
	for _, line := range rest {
		body := strings.TrimLeft(line, " \t")
		if body == "" {
			continue
		}
		starred = starred && body[0] == '*'
		blank := line[:len(line)-len(body)]
		if first {
			indent, first = blank, false
		}
		indent = commonPrefix(indent, blank)
	}
	for i, line := range rest {
		switch {
		case line == "":
		case starred:
			rest[i] = " " + strings.TrimLeft(line, " \t")
		default:
			rest[i] = strings.TrimPrefix(line, indent)
		}
	}
	return strings.Join(lines, "\n")
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// caveatBody reads a caveat's CEL source from after its "{" to before the "}"
// that closes it, and moves to that "}". Braces in strings and comments do not
// count.
func (l *lexer) caveatBody(open Pos) (body string, pos Pos, err *SchemaError) {
	start, depth := l.at, 0
	for i := start; i < len(l.src); {
		switch c := l.src[i]; {
		case c == '{':
			depth++
			i++
		case c == '}' && depth == 0:
			body, pos = l.trimmedBody(i)
			return body, pos, nil
		case c == '}':
			depth--
			i++
		case c == '/' && strings.HasPrefix(l.src[i:], "//"):
			i = endOfLine(l.src, i)
		case isWordByte(c), c == '"', c == '\'':
			n := celWordLen(l.src[i:])
			if n < 0 {
				l.skip(i - start)
				return "", Pos{}, errorAt(l.pos(), "", "this string has no end")
			}
			i += n
		default:
			i++
		}
	}
	return "", Pos{}, errorAt(open, "{", "this caveat has no end: \"}\" is missing")
}

// trimmedBody moves to end, and returns the text before it without blanks
// around it, and where that text starts.
func (l *lexer) trimmedBody(end int) (string, Pos) {
	raw := l.src[l.at:end]
	l.skip(len(raw) - len(strings.TrimLeft(raw, " \t\r\n")))
	pos := l.pos()
	body := strings.TrimRight(l.src[l.at:end], " \t\r\n")
	l.skip(end - l.at)
	return body, pos
}

func endOfLine(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(s)
}

// celWordLen measures the word or string literal at the start of s: CEL
// strings are single or tripled quotes, with prefixes r (raw) and b (bytes).
// It is -1 for a string without end.
func celWordLen(s string) int {
	n, raw := 0, false
	for n < len(s) && isWordByte(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '"' && s[n] != '\'' {
		return n
	}
	switch strings.ToLower(s[:n]) {
	case "", "b":
	case "r", "br", "rb":
		raw = true
	default:
		return n
	}
	quote := s[n : n+1]
	if strings.HasPrefix(s[n:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for i := n + len(quote); i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\\' && !raw:
			i++
		case s[i] == '\n' && len(quote) == 1:
			return -1
		}
	}
	return -1
}
