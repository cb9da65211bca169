package graph

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits on a schema's text.
const (
	// MaxSource is how long a schema's text may be, in bytes.
	MaxSource = 1 << 20

	maxDepth = 100 // parentheses in parentheses, exclusions in a row, list<list<...>>
)

// Flags of the schema language; those that are false are not supported yet.
var useFlags = map[string]bool{
	"expiration": true, "partial": true, "self": true, "typechecking": true,
	"deprecation": false,
}

// importRefused says why "import" is refused.
const importRefused = "a schema is one text here, nothing is read from other files; " +
	"tools put the files of a composed schema together before it is written"

// keywords cannot be names. Words that matter only in one place ("use", "and",
// "any", "all") can.
var keywords = []string{"caveat", "definition", "nil", "permission", "relation", "with"}

// Parse reads a schema in the SpiceDB schema language. It checks the form
// only; Validate checks what the names mean. Relations of partials are included
// in the definitions that spread them, as far as they are there. The error, if
// any, is a SchemaErrors of one element. Parse never modifies or keeps more of
// source than the strings in the result.
func Parse(source string) (*Schema, error) { return ParseWithin(source, MaxSource) }

// ParseWithin is Parse with another bound on the text, in bytes: for text that
// is made, not written.
func ParseWithin(source string, most int) (*Schema, error) {
	p := &parser{lex: newLexer(source), schema: &Schema{}, flags: map[string]bool{}}
	if err := checkSource(source, most); err != nil {
		return nil, SchemaErrors{err}
	}
	p.advance()
	p.file()
	if p.err == nil {
		p.err = expand(p.schema)
	}
	if p.err != nil {
		return nil, SchemaErrors{p.err}
	}
	return p.schema, nil
}

func checkSource(source string, most int) *SchemaError {
	if len(source) > most {
		return errorAt(Pos{}, "", "the schema has %d bytes, at most %d are allowed", len(source), most)
	}
	if utf8.ValidString(source) {
		return nil
	}
	l, bad := newLexer(source), 0
	for bad < len(source) {
		r, n := utf8.DecodeRuneInString(source[bad:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		bad += n
	}
	l.skip(bad)
	return errorAt(l.pos(), "", "this byte (0x%02x) is not UTF-8", source[bad])
}

// parser is a recursive-descent parser with one token of lookahead. After the
// first mistake the rest of the text is taken to be empty, so every loop that
// ends at the end of the text ends.
type parser struct {
	lex    *lexer
	tok    token // the token to look at
	schema *Schema
	flags  map[string]bool // of the use directives so far
	err    *SchemaError
	loose  []string // comments passed since the last declaration took its own
	depth  int
}

// advance passes the current token.
func (p *parser) advance() {
	for _, c := range p.tok.comments {
		p.loose = append(p.loose, c.text)
	}
	if p.err != nil {
		return
	}
	t, err := p.lex.next()
	if err != nil {
		p.fail(err)
		return
	}
	p.tok = t
}

func (p *parser) fail(err *SchemaError) {
	if p.err == nil {
		p.err = err
	}
	p.tok = token{kind: tokenEOF, pos: p.tok.pos}
}

// unexpected reports that something else than the current token is wanted.
func (p *parser) unexpected(format string, args ...any) {
	want := fmt.Sprintf(format, args...)
	if p.tok.kind == tokenEOF {
		p.fail(errorAt(p.tok.pos, "", "the schema ends too early: want %s", want))
		return
	}
	p.fail(errorAt(p.tok.pos, p.tok.text, "want %s here", want))
}

func (p *parser) is(text string) bool {
	return p.tok.kind != tokenEOF && p.tok.text == text
}

// accept passes the current token if it is text.
func (p *parser) accept(text string) bool {
	if !p.is(text) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.unexpected("%q", text)
	}
}

// name passes a name that is not a keyword; what says what it names.
func (p *parser) name(what string) (string, Pos) {
	t := p.tok
	if t.kind != tokenWord {
		p.unexpected("the name of %s", what)
		return "", t.pos
	}
	if slices.Contains(keywords, t.text) || p.flags[t.text] && t.text != "expiration" {
		p.fail(errorAt(t.pos, t.text, "a keyword cannot be the name of %s", what))
		return "", t.pos
	}
	p.advance()
	return t.text, t.pos
}

// takeDoc returns the comments that belong to the declaration that ends before
// the current token: those before it, inside it and behind it on its last line.
func (p *parser) takeDoc() []string {
	n := 0
	for n < len(p.tok.comments) && !p.tok.comments[n].newline {
		p.loose = append(p.loose, p.tok.comments[n].text)
		n++
	}
	p.tok.comments = p.tok.comments[n:]
	doc := p.loose
	p.loose = nil
	return doc
}

func (p *parser) file() {
	for p.tok.kind != tokenEOF {
		switch {
		case p.accept(";"):
		case p.is("use"):
			p.use()
		case p.is("definition"):
			p.definition()
		case p.is("caveat"):
			p.caveat()
		case p.is("partial"):
			p.partial()
		case p.is("import"):
			p.fail(errorAt(p.tok.pos, p.tok.text, importRefused))
		default:
			p.strangeDeclaration()
		}
	}
	p.advance()
	p.schema.Trailing = p.loose
}

func (p *parser) strangeDeclaration() {
	words, want := []string{"definition", "caveat", "use"}, `"definition", "caveat" or "use"`
	if p.flags["partial"] {
		words, want = append(words, "partial"), `"definition", "partial", "caveat" or "use"`
	}
	hint := hintFor(p.tok.text, words)
	p.unexpected("%s", want)
	p.err.Hint = hint
}

func (p *parser) use() {
	at := p.tok.pos
	p.advance()
	flag, pos := p.tok.text, p.tok.pos
	if p.tok.kind != tokenWord {
		p.unexpected(`a flag, as in "use expiration"`)
		return
	}
	if err := checkFlag(flag, pos); err != nil {
		p.fail(err)
		return
	}
	if len(p.schema.Order) > 0 {
		p.fail(errorAt(at, "use", "stands before the first definition, partial or caveat"))
		return
	}
	p.advance()
	p.endStatement()
	p.flags[flag] = true
	p.schema.Uses = append(p.schema.Uses, Use{Flag: flag, Pos: pos, Doc: p.takeDoc()})
}

func checkFlag(flag string, pos Pos) *SchemaError {
	supported, known := useFlags[flag]
	switch {
	case supported:
		return nil
	case flag == "import":
		return errorAt(pos, flag, importRefused)
	case known:
		return errorAt(pos, flag, "this flag is not supported yet")
	}
	var flags []string
	for f, supported := range useFlags {
		if supported {
			flags = append(flags, f)
		}
	}
	slices.Sort(flags)
	err := errorAt(pos, flag, "no such flag")
	if err.Hint = hintFor(flag, flags); err.Hint == "" {
		err.Hint = "the flags are " + strings.Join(flags, ", ")
	}
	return err
}

// endStatement wants ";", a line break, "}" or the end of the text.
func (p *parser) endStatement() {
	if p.accept(";") || p.tok.newline || p.is("}") || p.tok.kind == tokenEOF {
		return
	}
	p.unexpected(`a line break or ";"`)
}
