package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/pemba-authz/pemba/tuple"
)

// Limits on a caveat's expression and on one evaluation. Together they bound
// an evaluation to about a tenth of a second, whatever the expression and the
// arguments are: every value that comes up is limited, and so is the work.
const (
	maxCaveatLen    = 16 << 10  // code points of the expression
	maxCaveatText   = 128 << 10 // bytes of all expressions of a schema
	maxBrackets     = 20        // brackets in brackets
	maxCaveatDepth  = 50        // nesting of the expression, operators counted
	maxCaveatNodes  = 10_000    // parts of the expression, macros expanded
	maxCaveatCost   = 100_000   // operations, and elements and tens of bytes that they go through
	maxCaveatMemory = 10_000    // elements and tens of bytes in a value
	maxRegexSize    = 1_000     // instructions of a compiled pattern
)

// A CompiledCaveat decides a caveat for given arguments. It is immutable and
// safe for concurrent use.
type CompiledCaveat struct {
	caveat  *Caveat
	params  map[string]ParamType
	full    cel.Program // every parameter is given
	partial cel.Program // some are unknown
	unknown map[string]*cel.AttributePatternType
}

// CompileCaveat type-checks and plans c, which it keeps and does not modify.
// The error, if any, is a SchemaErrors with positions in the schema.
func CompileCaveat(c *Caveat) (*CompiledCaveat, error) {
	env, ast, errs := checkCaveat(c)
	if len(errs) > 0 {
		return nil, errs
	}
	limits := []cel.ProgramOption{
		cel.CostLimit(maxCaveatCost), cel.CostTracking(callCost{}), cel.MemoryLimit(maxCaveatMemory),
	}
	full, err := env.Program(ast, append(limits, cel.EvalOptions(cel.OptOptimize))...)
	if err != nil {
		return nil, SchemaErrors{errorAt(c.BodyPos, "", "%v", err)}
	}
	partial, err := env.Program(ast, append(limits, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))...)
	if err != nil {
		return nil, SchemaErrors{errorAt(c.BodyPos, "", "%v", err)}
	}
	out := &CompiledCaveat{
		caveat: c, full: full, partial: partial,
		params:  map[string]ParamType{},
		unknown: map[string]*cel.AttributePatternType{},
	}
	for _, p := range c.Params {
		out.params[p.Name] = p.Type
		out.unknown[p.Name] = cel.AttributePattern(p.Name)
	}
	return out, nil
}

// Name returns the caveat's name.
func (c *CompiledCaveat) Name() string { return c.caveat.Name }

// Eval decides the caveat. args holds JSON values as tuple.DecodeContext gives
// them; keys that are no parameters are ignored, a parameter without argument
// is unknown. If the outcome depends on unknown parameters, missing names them,
// sorted, and value is false and means nothing. An argument of the wrong type
// is a *tuple.FieldError; any other error is CEL's: a division by zero, a
// missing key, too much work. It is neither "true" nor "false".
func (c *CompiledCaveat) Eval(args map[string]any) (value bool, missing []string, err error) {
	vars := make(map[string]any, len(c.caveat.Params))
	var unknown []*cel.AttributePatternType
	for i := range c.caveat.Params {
		p := &c.caveat.Params[i]
		arg, given := args[p.Name]
		if !given {
			unknown = append(unknown, c.unknown[p.Name])
			continue
		}
		v, err := convertArg(&p.Type, arg)
		if err != nil {
			return false, nil, c.fieldError(p.Name, err)
		}
		vars[p.Name] = v
	}
	out, err := c.run(vars, unknown)
	if err != nil {
		return false, nil, err
	}
	switch out := out.(type) {
	case types.Bool:
		return bool(out), nil, nil
	case *types.Unknown:
		return false, variablesOf(out), nil
	}
	return false, nil, fmt.Errorf("the result %v is no bool", out)
}

func (c *CompiledCaveat) run(vars map[string]any, unknown []*cel.AttributePatternType) (ref.Val, error) {
	if len(unknown) == 0 {
		out, _, err := c.full.Eval(vars)
		return out, err
	}
	activation, err := cel.PartialVars(vars, unknown...)
	if err != nil {
		return nil, err
	}
	out, _, err := c.partial.Eval(activation)
	return out, err
}

// variablesOf returns the names of the variables that u waits for, sorted.
func variablesOf(u *types.Unknown) []string {
	var names []string
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			names = append(names, t.Variable())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Check reports whether v, a JSON value as tuple.DecodeContext gives it, is an
// argument for the parameter called name. The error is a *tuple.FieldError.
func (c *CompiledCaveat) Check(name string, v any) error {
	t, ok := c.params[name]
	if !ok {
		fix := fmt.Sprintf("caveat %s has no such parameter", c.Name())
		if hint := hintFor(name, sortedNames(c.caveat.Params)); hint != "" {
			fix += ", " + hint
		}
		return &tuple.FieldError{Field: "context." + name, Value: showValue(v), Fix: fix}
	}
	if _, err := convertArg(&t, v); err != nil {
		return c.fieldError(name, err)
	}
	return nil
}

func sortedNames(params []Param) []string {
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// fieldError names the parameter and the caveat of a conversion that failed.
func (c *CompiledCaveat) fieldError(param string, err error) error {
	var bad *conversionError
	if !errors.As(err, &bad) {
		return err
	}
	return &tuple.FieldError{
		Field: "context." + param + bad.path,
		Value: showValue(bad.value),
		Fix:   fmt.Sprintf("parameter %s of caveat %s wants %s", param, c.Name(), bad.want),
	}
}

// checkCaveat type-checks c.
func checkCaveat(c *Caveat) (*cel.Env, *cel.Ast, SchemaErrors) {
	errs := checkParams(c)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	if celDepth(c.Body) > maxBrackets {
		return nil, nil, SchemaErrors{errorAt(c.BodyPos, "", "in caveat %s: brackets are nested more than %d deep", c.Name, maxBrackets)}
	}
	env, err := caveatEnv(c.Params)
	if err != nil {
		return nil, nil, SchemaErrors{errorAt(c.Pos, c.Name, "%v", err)}
	}
	ast, issues := env.Compile(c.Body)
	if issues.Err() != nil {
		return nil, nil, bodyErrors(c, issues.Errors())
	}
	if ast.OutputType() != cel.BoolType {
		return nil, nil, SchemaErrors{errorAt(c.BodyPos, "", "the expression of caveat %s is of type %s, want bool", c.Name, ast.OutputType())}
	}
	return env, ast, nil
}

// baseEnv is the part of the environment that all caveats share.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.ParserExpressionSizeLimit(maxCaveatLen),
		cel.ParserRecursionLimit(maxCaveatDepth),
		cel.ExpressionNodeLimit(maxCaveatNodes),
		cel.ParserErrorRecoveryLimit(1),
		cel.RegexProgramSizeLimit(maxRegexSize),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		inCIDRFunction(),
		isSubtreeOfFunction(),
	)
})

func caveatEnv(params []Param) (*cel.Env, error) {
	base, err := baseEnv()
	if err != nil {
		return nil, err
	}
	vars := make([]cel.EnvOption, len(params))
	for i := range params {
		vars[i] = cel.Variable(params[i].Name, celType(&params[i].Type))
	}
	return base.Extend(vars...)
}

// bodyErrors maps CEL's positions, which count from the body, to the schema's.
// After a mistake in the syntax the rest says nothing.
func bodyErrors(c *Caveat, found []*cel.Error) SchemaErrors {
	var errs SchemaErrors
	for _, e := range found[:min(len(found), maxErrors)] {
		pos := c.BodyPos
		switch line := e.Location.Line(); {
		case pos == Pos{} || line < 1:
		case line == 1:
			pos.Col += e.Location.Column()
		default:
			pos = Pos{pos.Line + line - 1, e.Location.Column() + 1}
		}
		errs = append(errs, bodyError(c, pos, e.Message))
		if strings.HasPrefix(e.Message, "Syntax error") {
			break
		}
	}
	return errs
}

func bodyError(c *Caveat, pos Pos, message string) *SchemaError {
	if _, rest, ok := strings.Cut(message, "undeclared reference to '"); ok {
		word, _, _ := strings.Cut(rest, "'")
		err := errorAt(pos, word, "no such parameter or function in caveat %s", c.Name)
		err.Hint = hintFor(word, sortedNames(c.Params))
		return err
	}
	return errorAt(pos, "", "in caveat %s: %s", c.Name, strings.Join(strings.Fields(message), " "))
}

func (v *validator) caveat(c *Caveat) {
	v.celText += len(c.Body)
	if v.celText > maxCaveatText {
		if v.celText-len(c.Body) <= maxCaveatText {
			v.report(errorAt(c.Pos, c.Name, "the caveats up to this one have more than %d bytes of expressions", maxCaveatText), nil)
		}
		return
	}
	_, ast, errs := checkCaveat(c)
	for _, err := range errs {
		v.report(err, nil)
	}
	if len(errs) == 0 {
		v.unused[c] = unusedParams(c, ast)
	}
}

// unusedParams returns the parameters that a checked expression does not name.
func unusedParams(c *Caveat, ast *cel.Ast) []Param {
	used := map[string]bool{}
	for _, ref := range ast.NativeRep().ReferenceMap() {
		used[ref.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(c.Params), func(p Param) bool { return used[p.Name] })
}

// celDepth counts how deep brackets are nested in a CEL expression. CEL's
// parser has a limit of its own, but takes long to run into it.
func celDepth(body string) int {
	depth, most := 0, 0
	for i := 0; i < len(body); {
		switch c := body[i]; {
		case c == '/' && strings.HasPrefix(body[i:], "//"):
			i = endOfLine(body, i)
			continue
		case isWordByte(c), c == '"', c == '\'':
			if n := celWordLen(body[i:]); n > 0 {
				i += n
				continue
			}
		case strings.IndexByte("([{", c) >= 0:
			depth++
			most = max(most, depth)
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
		i++
	}
	return most
}
