package graph

// Pos is a place in a schema's text; lines and columns count from 1, columns in
// runes. The zero Pos means "not from text".
type Pos struct {
	Line, Col int
}

// Schema is a parsed schema, in the order in which it was written.
type Schema struct {
	Uses        []Use
	Definitions []*Definition
	Partials    []*Partial
	Caveats     []*Caveat
	Order       []Decl   // Definitions, Partials and Caveats as written, for the printer
	Trailing    []string // comments after the last declaration
}

// Decl is a *Definition, a *Partial or a *Caveat.
type Decl interface{ declName() string }

// Use is a "use flag" directive.
type Use struct {
	Flag string
	Doc  []string
	Pos  Pos
}

// Definition is an object type with its relations and permissions.
type Definition struct {
	Name      string
	Relations []*Relation // relations and permissions in their order, with those of partials where these are spread
	Members   []Member    // what is written, if that has a spread, else nil
	Doc       []string    // comments before the definition, as written ("// x", "/** x */")
	Trailing  []string    // comments before the closing brace
	Pos       Pos         // of the name
}

// Partial is a list of relations and permissions for definitions to include.
// Its fields are those of a Definition. Definitions share the Relations of the
// partials that they include.
type Partial struct {
	Name          string
	Relations     []*Relation
	Members       []Member
	Doc, Trailing []string
	Pos           Pos
}

// Member is a line of a definition or a partial: a Relation or a Spread.
type Member struct {
	Relation *Relation
	Spread   *Spread
}

// Spread includes the relations and permissions of a partial: "...name".
type Spread struct {
	Partial string
	Doc     []string
	Pos     Pos // of the name
}

// Relation is a relation (Types set) or a permission (Rewrite set) of a
// definition. A model translated from another dialect may set both: then the
// Rewrite contains a This where the direct subjects count.
type Relation struct {
	Name     string
	Types    []TypeRestriction
	Expected []TypeName // types that a permission says it leads to, nil = it does not say
	Rewrite  Expr
	Doc      []string
	Pos      Pos // of the name
}

// TypeName names a type in the annotation of a permission.
type TypeName struct {
	Name string
	Pos  Pos
}

// IsPermission reports whether r is computed and stores no tuples.
func (r *Relation) IsPermission() bool { return r.Rewrite != nil && len(r.Types) == 0 }

// TypeRestriction is one kind of subject that a relation accepts:
// type, type#relation or type:*, with an optional caveat and expiry.
type TypeRestriction struct {
	Type       string
	Relation   string // "" = the subject itself
	Wildcard   bool
	Caveat     string // "" = none; a tuple must then have none either
	Expiration bool   // a tuple must have an expiry; without it a tuple must have none
	Pos        Pos    // of the type

	RelationPos, CaveatPos Pos
}

// Expr is a node of a permission's rewrite: *Ref, *Arrow, *Nil, *Self, *This,
// *Union, *Intersection or *Exclusion.
type Expr interface{ Position() Pos }

// Ref names a relation or permission of the same object.
type Ref struct {
	Name string
	Pos  Pos
}

// Arrow asks for Target on each object that is a subject of Tupleset:
// tupleset->target and tupleset.any(target); All asks that there be at least
// one and that each of them grant it: tupleset.all(target).
type Arrow struct {
	Tupleset, Target string
	All              bool
	Any              bool // written as .any(), same meaning as "->"; kept for the printer
	Pos              Pos
	TargetPos        Pos
}

// Nil grants nobody.
type Nil struct{ Pos Pos }

// Self grants the object itself, asked as a subject.
type Self struct{ Pos Pos }

// This stands for the direct subjects of the relation that it is written in.
// The schema language has no word for it; translated models do.
type This struct{ Pos Pos }

// Union grants who any child grants. Children has at least two elements.
//
// Grouped, here and below, says that the expression is an operand of another
// operator and stands in parentheses, whether or not it needs them.
type Union struct {
	Children []Expr
	Grouped  bool
	Pos      Pos
}

// Intersection grants who every child grants. Children has at least two elements.
type Intersection struct {
	Children []Expr
	Grouped  bool
	Pos      Pos
}

// Exclusion grants who Base grants and Minus does not.
type Exclusion struct {
	Base, Minus Expr
	Grouped     bool
	Pos         Pos
}

// Caveat is a named condition in CEL over typed parameters.
type Caveat struct {
	Name    string
	Params  []Param
	Body    string // the CEL source between the braces, trimmed
	Doc     []string
	Pos     Pos // of the name
	BodyPos Pos
}

// Param is a parameter of a caveat.
type Param struct {
	Name string
	Type ParamType
	Pos  Pos
}

// ParamType is a caveat parameter's type: int, uint, bool, string, double,
// bytes, duration, timestamp, ipaddress, any, or list<T> and map<T> with Elem
// set (map keys are strings).
type ParamType struct {
	Name string
	Elem *ParamType
	Pos  Pos
}

func (d *Definition) declName() string { return d.Name }
func (p *Partial) declName() string    { return p.Name }
func (c *Caveat) declName() string     { return c.Name }

func (e *Ref) Position() Pos          { return e.Pos }
func (e *Arrow) Position() Pos        { return e.Pos }
func (e *Nil) Position() Pos          { return e.Pos }
func (e *Self) Position() Pos         { return e.Pos }
func (e *This) Position() Pos         { return e.Pos }
func (e *Union) Position() Pos        { return e.Pos }
func (e *Intersection) Position() Pos { return e.Pos }
func (e *Exclusion) Position() Pos    { return e.Pos }
