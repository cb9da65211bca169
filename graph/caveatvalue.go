package graph

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// scalar is a parameter type without element type.
type scalar struct {
	cel     *cel.Type
	want    string // completes "parameter p wants ..."
	convert func(v any) (ref.Val, bool)
}

var scalars = map[string]scalar{
	"any":       {cel.DynType, "any JSON value", toAny},
	"bool":      {cel.BoolType, "a bool, as true", toBool},
	"string":    {cel.StringType, "a string", toString},
	"int":       {cel.IntType, "an int, as 42 or \"42\"", toInt},
	"uint":      {cel.UintType, "a uint, as 42 or \"42\"", toUint},
	"double":    {cel.DoubleType, "a double, as 1.5", toDouble},
	"bytes":     {cel.BytesType, "bytes in base64, as \"aGk=\"", toBytes},
	"duration":  {cel.DurationType, "a duration, as \"1h30m\"", toDuration},
	"timestamp": {cel.TimestampType, "a timestamp in RFC 3339, as \"2030-01-31T12:00:00Z\"", toTimestamp},
	"ipaddress": {ipType, "an ipaddress without zone, as \"10.0.0.1\" or \"2001:db8::1\"", toIP},
}

// celType returns the CEL type of t, which checkParams has accepted.
func celType(t *ParamType) *cel.Type {
	switch t.Name {
	case "list":
		return cel.ListType(celType(t.Elem))
	case "map":
		return cel.MapType(cel.StringType, celType(t.Elem))
	}
	return scalars[t.Name].cel
}

// conversionError says which part of an argument has the wrong type.
type conversionError struct {
	path  string // within the argument, as "[3].name"
	value any
	want  string
}

func (e *conversionError) Error() string {
	return fmt.Sprintf("%s: want %s", e.path, e.want)
}

// convertArg turns a JSON value into a CEL value of type t and of a size that
// an evaluation may hold.
func convertArg(t *ParamType, v any) (ref.Val, error) {
	out, err := convert(t, v)
	if err == nil && sizeOf(out) > maxCaveatMemory {
		return nil, &conversionError{value: "...", want: fmt.Sprintf("at most %d elements and tens of bytes", maxCaveatMemory)}
	}
	return out, err
}

// convert turns a JSON value into a CEL value of type t.
func convert(t *ParamType, v any) (ref.Val, error) {
	switch t.Name {
	case "list":
		return convertList(t, v)
	case "map":
		return convertMap(t, v)
	}
	s := scalars[t.Name]
	if out, ok := s.convert(v); ok {
		return out, nil
	}
	return nil, &conversionError{value: v, want: s.want}
}

func convertList(t *ParamType, v any) (ref.Val, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, &conversionError{value: v, want: "a " + t.String()}
	}
	out := make([]ref.Val, len(list))
	for i, e := range list {
		var err error
		if out[i], err = convert(t.Elem, e); err != nil {
			return nil, inPath(fmt.Sprintf("[%d]", i), err)
		}
	}
	return newSizedList(out), nil
}

func convertMap(t *ParamType, v any) (ref.Val, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &conversionError{value: v, want: "a " + t.String()}
	}
	out := make(map[string]ref.Val, len(m))
	for k, e := range m {
		val, err := convert(t.Elem, e)
		if err != nil {
			return nil, inPath("."+k, err)
		}
		out[k] = val
	}
	return newStringMap(out), nil
}

func inPath(step string, err error) error {
	if bad, ok := err.(*conversionError); ok {
		bad.path = step + bad.path
	}
	return err
}

// showValue returns v as JSON, for an error.
func showValue(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func toBool(v any) (ref.Val, bool) {
	b, ok := v.(bool)
	return types.Bool(b), ok
}

func toString(v any) (ref.Val, bool) {
	s, ok := v.(string)
	return types.String(s), ok
}

// maxExact is the largest number up to which a double holds every integer.
const maxExact = 1 << 53

// integerText returns the decimal text of an integer that is given as a
// number or, as 64-bit integers are in JSON, as a string.
func integerText(v any) (string, bool) {
	text, isString := v.(string)
	if isString {
		return text, true
	}
	f, isFloat := v.(float64)
	if n, ok := v.(json.Number); ok {
		if _, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
			return n.String(), true
		}
		if _, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
			return n.String(), true
		}
		var err error // as 1e3 or 5.0
		f, err = n.Float64()
		isFloat = err == nil
	}
	if !isFloat || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

func toInt(v any) (ref.Val, bool) {
	text, ok := integerText(v)
	if !ok {
		return nil, false
	}
	i, err := strconv.ParseInt(text, 10, 64)
	return types.Int(i), err == nil
}

func toUint(v any) (ref.Val, bool) {
	text, ok := integerText(v)
	if !ok {
		return nil, false
	}
	u, err := strconv.ParseUint(text, 10, 64)
	return types.Uint(u), err == nil
}

func toDouble(v any) (ref.Val, bool) {
	switch v := v.(type) {
	case float64:
		return types.Double(v), true
	case json.Number:
		f, err := v.Float64()
		return types.Double(f), err == nil
	}
	return nil, false
}

func toBytes(v any) (ref.Val, bool) {
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return types.Bytes(b), err == nil
}

func toDuration(v any) (ref.Val, bool) {
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	d, err := time.ParseDuration(s)
	return types.Duration{Duration: d}, err == nil
}

func toTimestamp(v any) (ref.Val, bool) {
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return types.Timestamp{Time: t.UTC()}, err == nil
}

func toIP(v any) (ref.Val, bool) {
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	a, err := netip.ParseAddr(s)
	return ipValue{a.Unmap()}, err == nil && a.Zone() == ""
}

// toAny gives JSON values their CEL types. A number is a double, as CEL says
// of JSON; an integer that a double cannot hold exactly stays an integer, so
// that two large ids never compare equal by rounding.
func toAny(v any) (ref.Val, bool) {
	switch v := v.(type) {
	case nil:
		return types.NullValue, true
	case bool:
		return types.Bool(v), true
	case string:
		return types.String(v), true
	case json.Number:
		return anyNumber(v)
	case float64:
		return types.Double(v), true
	case []any:
		out := make([]ref.Val, len(v))
		for i, e := range v {
			var ok bool
			if out[i], ok = toAny(e); !ok {
				return nil, false
			}
		}
		return newSizedList(out), true
	case map[string]any:
		out := make(map[string]ref.Val, len(v))
		for k, e := range v {
			var ok bool
			if out[k], ok = toAny(e); !ok {
				return nil, false
			}
		}
		return newStringMap(out), true
	}
	return nil, false
}

func anyNumber(n json.Number) (ref.Val, bool) {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil && (i > maxExact || i < -maxExact) {
		return types.Int(i), true
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil && u > maxExact {
		return types.Uint(u), true
	}
	f, err := n.Float64()
	return types.Double(f), err == nil
}
