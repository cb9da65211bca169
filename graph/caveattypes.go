package graph

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// ipType is the type ipaddress. It has one method, in_cidr(string) bool, and
// equality.
var ipType = cel.OpaqueType("ipaddress")

// ipValue is a CEL value of type ipaddress. An IPv4 address written as IPv6
// ("::ffff:10.0.0.1") is the IPv4 address, so it neither slips past a list of
// denied networks nor misses one of allowed networks.
type ipValue struct{ addr netip.Addr }

func (v ipValue) Type() ref.Type { return ipType }
func (v ipValue) Value() any     { return v.addr }

func (v ipValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(ipValue)
	return types.Bool(ok && o == v)
}

func (v ipValue) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(v.addr.String())
	case types.TypeType:
		return ipType
	}
	return types.NewErr("an ipaddress cannot become a %s", t.TypeName())
}

func (v ipValue) ConvertToNative(t reflect.Type) (any, error) {
	if reflect.TypeFor[netip.Addr]().AssignableTo(t) {
		return v.addr, nil
	}
	return nil, fmt.Errorf("an ipaddress cannot become a %v", t)
}

// inCIDRFunction declares ipaddress.in_cidr(string), as in SpiceDB:
// authzed.com/docs/spicedb/concepts/caveats.
func inCIDRFunction() cel.EnvOption {
	return cel.Function("in_cidr",
		cel.MemberOverload("ipaddress_in_cidr_string", []*cel.Type{ipType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(ip, cidr ref.Val) ref.Val {
				prefix, err := netip.ParsePrefix(string(cidr.(types.String)))
				if err != nil {
					return types.NewErr("in_cidr: %q is no network, as \"10.0.0.0/8\"", string(cidr.(types.String)))
				}
				if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
					prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
				}
				return types.Bool(prefix.Contains(ip.(ipValue).addr))
			})))
}

// isSubtreeOfFunction declares map.isSubtreeOf(map), as in SpiceDB (same
// page): every entry of the first map is in the second, maps within maps alike.
func isSubtreeOfFunction() cel.EnvOption {
	anyMap := cel.MapType(cel.StringType, cel.DynType)
	return cel.Function("isSubtreeOf",
		cel.MemberOverload("map_is_subtree_of_map", []*cel.Type{anyMap, anyMap}, cel.BoolType,
			cel.BinaryBinding(func(sub, tree ref.Val) ref.Val {
				return types.Bool(isSubtree(sub.(traits.Mapper), tree.(traits.Mapper)))
			})))
}

func isSubtree(sub, tree traits.Mapper) bool {
	for it := sub.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		want, _ := sub.Find(key)
		got, found := tree.Find(key)
		if !found {
			return false
		}
		wantMap, ok1 := want.(traits.Mapper)
		gotMap, ok2 := got.(traits.Mapper)
		if ok1 && ok2 {
			if !isSubtree(wantMap, gotMap) {
				return false
			}
		} else if types.Equal(want, got) != types.True {
			return false
		}
	}
	return true
}

// stringMap is a CEL map that is gone through in the order of its keys: an
// expression gives the same answer every time, on every node.
type stringMap struct {
	traits.Mapper
	keys []ref.Val
	size uint32
}

func newStringMap(m map[string]ref.Val) ref.Val {
	values := make(map[ref.Val]ref.Val, len(m))
	keys := make([]ref.Val, 0, len(m))
	size := uint32(1)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		key := types.String(k)
		keys = append(keys, key)
		values[key] = m[k]
		size += sizeOf(key) + sizeOf(m[k])
	}
	return stringMap{types.NewRefValMap(types.DefaultTypeAdapter, values), keys, size}
}

func (m stringMap) Iterator() traits.Iterator {
	return types.NewRefValList(types.DefaultTypeAdapter, m.keys).Iterator()
}

// AggregateSize makes CEL take the size as it is known, to any depth.
func (m stringMap) AggregateSize(types.AggregateSizer) uint32 { return m.size }

// sizedList is a CEL list that knows its size.
type sizedList struct {
	traits.Lister
	size uint32
}

func newSizedList(elems []ref.Val) ref.Val {
	size := uint32(1)
	for _, e := range elems {
		size += sizeOf(e)
	}
	return sizedList{types.NewRefValList(types.DefaultTypeAdapter, elems), size}
}

// AggregateSize makes CEL take the size as it is known, to any depth.
func (l sizedList) AggregateSize(types.AggregateSizer) uint32 { return l.size }

// sizeOf measures v as maxCaveatMemory counts: each value is one, a string one
// for ten bytes. A CEL value has far less than 2^32 parts, being made of one
// message.
func sizeOf(v ref.Val) uint32 {
	switch v := v.(type) {
	case types.String:
		return uint32(len(v)/10 + 1)
	case types.Bytes:
		return uint32(len(v)/10 + 1)
	case types.AggregateSizeVisitor:
		return v.AggregateSize(nil)
	}
	return 1
}

// callCost prices a call by the size of what it goes through. CEL's own model
// takes comparing maps and converting strings for one step each.
type callCost struct{}

var sizeCalculator = types.NewSizeCalculator(types.SizeCalculatorStringUnitLength(10))

func (callCost) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	switch {
	case function == operators.Index, function == overloads.Size, overload == overloads.InMap, overload == overloads.AddList:
		return &cost
	case function == overloads.Matches:
		return nil
	}
	for _, arg := range args {
		switch arg.(type) {
		case types.String, types.Bytes, traits.Lister, traits.Mapper:
			cost += uint64(sizeCalculator.AggregateSize(arg))
		}
	}
	return &cost
}

// checkParams checks a caveat's parameters.
func checkParams(c *Caveat) SchemaErrors {
	var errs SchemaErrors
	seen := map[string]bool{}
	for i := range c.Params {
		p := &c.Params[i]
		switch {
		case seen[p.Name]:
			errs = append(errs, errorAt(p.Pos, p.Name, "caveat %s has a parameter of this name already", c.Name))
		case !isParamName(p.Name):
			errs = append(errs, errorAt(p.Pos, p.Name, "not a name that CEL allows"))
		}
		seen[p.Name] = true
		if err := checkParamType(&p.Type); err != nil {
			errs = append(errs, err)
		}
	}
	return errs[:min(len(errs), maxErrors)]
}

func checkParamType(t *ParamType) *SchemaError {
	generic := t.Name == "list" || t.Name == "map"
	_, simple := scalars[t.Name]
	switch {
	case !generic && !simple:
		err := errorAt(t.Pos, t.Name, "no such parameter type")
		err.Hint = hintFor(t.Name, append(slices.Sorted(maps.Keys(scalars)), "list", "map"))
		return err
	case generic && t.Elem == nil:
		return errorAt(t.Pos, t.Name, "needs the type of its elements, as in %s<string>", t.Name)
	case simple && t.Elem != nil:
		return errorAt(t.Pos, t.Name, "has no elements")
	case generic:
		return checkParamType(t.Elem)
	}
	return nil
}

// celWords are the reserved words of CEL (github.com/google/cel-spec,
// doc/langdef.md, "Syntax") and its type names, which a variable would hide.
var celWords = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
	"let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
	"bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint",
}

func isParamName(s string) bool {
	if s == "" || len(s) > 64 || '0' <= s[0] && s[0] <= '9' || slices.Contains(celWords, s) {
		return false
	}
	for i := range len(s) {
		if !isWordByte(s[i]) {
			return false
		}
	}
	return true
}
