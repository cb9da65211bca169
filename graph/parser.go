package graph

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits on a schema's text.
const (
	maxSourceLen = 1 << 20 // bytes
	maxDepth     = 100     // parentheses in parentheses, exclusions in a row, list<list<...>>
)

// Flags of the schema language; those that are false are not supported yet.
var useFlags = map[string]bool{
	"expiration": true, "self": true,
	"deprecation": false, "import": false, "partial": false, "typechecking": false,
}

// keywords cannot be names. Words that matter only in one place ("use", "and",
// "any", "all") can.
var keywords = []string{"caveat", "definition", "nil", "permission", "relation", "with"}

// Parse reads a schema in the SpiceDB schema language. It checks the form
// only; Validate checks what the names mean. The error, if any, is a
// SchemaErrors of one element. Parse never modifies or keeps more of source
// than the strings in the result.
func Parse(source string) (*Schema, error) {
	p := &parser{lex: newLexer(source), schema: &Schema{}, flags: map[string]bool{}}
	if err := checkSource(source); err != nil {
		return nil, SchemaErrors{err}
	}
	p.advance()
	p.file()
	if p.err != nil {
		return nil, SchemaErrors{p.err}
	}
	return p.schema, nil
}

func checkSource(source string) *SchemaError {
	if len(source) > maxSourceLen {
		return errorAt(Pos{}, "", "the schema has %d bytes, at most %d are allowed", len(source), maxSourceLen)
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
	if slices.Contains(keywords, t.text) || t.text == "self" && p.flags["self"] {
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
		case p.is("import"), p.is("partial"):
			p.fail(errorAt(p.tok.pos, p.tok.text, "not supported yet"))
		default:
			hint := hintFor(p.tok.text, []string{"definition", "caveat", "use"})
			p.unexpected(`"definition", "caveat" or "use"`)
			p.err.Hint = hint
		}
	}
	p.advance()
	p.schema.Trailing = p.loose
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
		p.fail(errorAt(at, "use", "stands before the first definition or caveat"))
		return
	}
	p.advance()
	p.endStatement()
	p.flags[flag] = true
	p.schema.Uses = append(p.schema.Uses, Use{Flag: flag, Pos: pos, Doc: p.takeDoc()})
}

func checkFlag(flag string, pos Pos) *SchemaError {
	supported, known := useFlags[flag]
	if supported {
		return nil
	}
	if known {
		return errorAt(pos, flag, "this flag is not supported yet")
	}
	err := errorAt(pos, flag, "no such flag")
	err.Hint = hintFor(flag, []string{"expiration", "self"})
	return err
}

// endStatement wants ";", a line break, "}" or the end of the text.
func (p *parser) endStatement() {
	if p.accept(";") || p.tok.newline || p.is("}") || p.tok.kind == tokenEOF {
		return
	}
	p.unexpected(`a line break or ";"`)
}

func (p *parser) definition() {
	p.advance()
	d := &Definition{}
	d.Name, d.Pos = p.name("a definition")
	p.expect("{")
	d.Doc = p.takeDoc()
	for p.tok.kind != tokenEOF && !p.is("}") {
		if p.accept(";") {
			continue
		}
		if r := p.member(); r != nil {
			d.Relations = append(d.Relations, r)
		}
	}
	p.expect("}")
	d.Trailing = p.takeDoc()
	p.schema.Definitions = append(p.schema.Definitions, d)
	p.schema.Order = append(p.schema.Order, d)
}

func (p *parser) member() *Relation {
	r := &Relation{}
	switch {
	case p.accept("relation"):
		r.Name, r.Pos = p.name("a relation")
		p.relationTypes(r)
	case p.accept("permission"):
		r.Name, r.Pos = p.name("a permission")
		if p.is(":") {
			p.fail(errorAt(p.tok.pos, ":", `types of a permission need "use typechecking", which is not supported yet`))
			return nil
		}
		p.expect("=")
		r.Rewrite = p.exclusion()
	case p.is("..."):
		p.fail(errorAt(p.tok.pos, "...", "partials are not supported yet"))
		return nil
	default:
		hint := hintFor(p.tok.text, []string{"relation", "permission"})
		p.unexpected(`"relation", "permission" or "}"`)
		p.err.Hint = hint
		return nil
	}
	p.endStatement()
	r.Doc = p.takeDoc()
	return r
}

func (p *parser) relationTypes(r *Relation) {
	if p.is("=") {
		p.fail(errorAt(p.tok.pos, "=", `a relation has types, as in "relation %s: user"; what is computed is a permission`, r.Name))
		return
	}
	p.expect(":")
	for {
		r.Types = append(r.Types, p.typeRestriction())
		if !p.accept("|") {
			return
		}
	}
}

func (p *parser) typeRestriction() TypeRestriction {
	t := TypeRestriction{}
	t.Type, t.Pos = p.name("a type")
	switch {
	case p.accept(":"):
		p.expect("*")
		t.Wildcard = true
		if p.is("#") {
			p.fail(errorAt(p.tok.pos, "#", "a wildcard has no relation"))
		}
	case p.accept("#"):
		if !p.accept("...") { // "user#..." is an old way to write "user"
			t.Relation, t.RelationPos = p.name("a relation")
		}
	}
	if p.accept("with") {
		p.traits(&t)
	}
	return t
}

// traits reads what follows "with": a caveat, an expiration, or both in this
// order. Without "use expiration" the word can name a caveat.
func (p *parser) traits(t *TypeRestriction) {
	if p.flags["expiration"] && p.accept("expiration") {
		t.Expiration = true
		if p.is("and") {
			p.fail(errorAt(p.tok.pos, "and", `the caveat comes first, as in "with a_caveat and expiration"`))
		}
		return
	}
	t.Caveat, t.CaveatPos = p.name("a caveat")
	if p.accept("and") {
		p.expect("expiration")
		t.Expiration = true
	}
}
