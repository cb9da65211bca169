package iam

import (
	"fmt"
	"regexp"

	"github.com/yandex-cloud/go-genproto/yandex/cloud"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Rules are what the .proto definition of a message demands of its fields, in
// the options that the vendor annotates it with: they are read from there, so
// that a request is held to exactly what is published.
type rules struct {
	fields []*fieldRules
	oneofs []protoreflect.OneofDescriptor // of which exactly one field has to be set
	mask   protoreflect.FieldDescriptor   // update_mask, nil = none
	masked map[string]bool                // fields that the mask may name
}

// fieldRules is what one field has to be.
type fieldRules struct {
	field    protoreflect.FieldDescriptor
	required bool
	pattern  *regexp.Regexp // of the value, of each element, or of each value of a map
	length   *span          // likewise, in characters
	value    *span          // likewise, of a number, or of a time in seconds
	size     *span          // number of elements
	unique   bool           // elements differ
	key      *fieldRules    // of each key of a map; pattern and length only
	message  *rules         // of the value or of each element
}

const maskName = "update_mask"

// rulesOf reads the rules of a message. It panics if there is one that it does
// not understand, which a test of all services would show.
func rulesOf(m protoreflect.MessageDescriptor) *rules {
	return compileRules(m, map[protoreflect.FullName]*rules{})
}

func compileRules(m protoreflect.MessageDescriptor, known map[protoreflect.FullName]*rules) *rules {
	if r, ok := known[m.FullName()]; ok {
		return r
	}
	r := &rules{}
	known[m.FullName()] = r
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); extension[bool](o.Options(), cloud.E_ExactlyOne) {
			r.oneofs = append(r.oneofs, o)
		}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.Name() == maskName {
			r.mask = f
			continue
		}
		r.fields = append(r.fields, compileField(f, known))
	}
	if r.mask != nil {
		r.masked = map[string]bool{}
		for _, f := range r.fields[1:] { // the first is the id of what is updated
			r.masked[string(f.field.Name())] = true
		}
	}
	return r
}

func compileField(f protoreflect.FieldDescriptor, known map[protoreflect.FullName]*rules) *fieldRules {
	options := f.Options()
	r := &fieldRules{
		field: f, required: extension[bool](options, cloud.E_Required), unique: extension[bool](options, cloud.E_Unique),
		pattern: compilePattern(extension[string](options, cloud.E_Pattern)),
		length:  countSpan(extension[string](options, cloud.E_Length)),
		size:    countSpan(extension[string](options, cloud.E_Size)),
	}
	value, element := extension[string](options, cloud.E_Value), f
	if f.IsMap() {
		element = f.MapValue()
		if k := extension[*cloud.MapKeySpec](options, cloud.E_MapKey); k != nil {
			r.key = &fieldRules{field: f.MapKey(), pattern: compilePattern(k.GetPattern()), length: countSpan(k.GetLength())}
		}
	}
	switch m := element.Message(); {
	case m == nil:
		r.value = countSpan(value)
	case m.FullName() == timestampName:
		r.value = timeSpan(value)
	case value != "" || extension[string](options, cloud.E_Bytes) != "":
		panic(fmt.Sprintf("%s: the rule for its value is not understood", f.FullName()))
	default:
		r.message = compileRules(m, known)
	}
	return r
}

const timestampName = "google.protobuf.Timestamp"

// extension returns an option, or its zero value.
func extension[T any](options proto.Message, x protoreflect.ExtensionType) T {
	value, _ := proto.GetExtension(options, x).(T)
	return value
}

func compilePattern(text string) *regexp.Regexp {
	if text == "" {
		return nil
	}
	return regexp.MustCompile(`^(?:` + text + `)$`)
}
