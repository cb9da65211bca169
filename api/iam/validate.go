package iam

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// check holds a request to its rules. Of what a request updates, only what its
// mask names is looked at; an empty mask names everything.
func (r *rules) check(m protoreflect.Message) error {
	paths, err := r.maskOf(m)
	if err != nil {
		return err
	}
	return r.below("", m, paths)
}

// maskOf returns what a request's mask names; nil = all, or there is none.
func (r *rules) maskOf(m protoreflect.Message) ([]string, error) {
	if r.mask == nil {
		return nil, nil
	}
	mask, _ := m.Get(r.mask).Message().Interface().(*fieldmaskpb.FieldMask)
	for _, path := range mask.GetPaths() {
		if !r.masked[path] {
			return nil, invalid(maskName, fmt.Sprintf("there is no field %q to update", shorten(path)), "name fields of the request, as in its .proto file")
		}
	}
	return mask.GetPaths(), nil
}

// updating is a request that updates fields of a resource.
type updating interface {
	proto.Message
	GetUpdateMask() *fieldmaskpb.FieldMask
}

// updated returns the names of the fields that a request updates: those of its
// mask, or all.
func updated(r updating) []string {
	if paths := r.GetUpdateMask().GetPaths(); len(paths) > 0 {
		return paths
	}
	var all []string
	fields := r.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := fields.Get(i).Name(); i > 0 && name != maskName { // the first is the id of what is updated
			all = append(all, string(name))
		}
	}
	return all
}

// below holds a message to its rules; path is where it stands. paths, if any, are
// the only fields that count, of those that a mask may name.
func (r *rules) below(path string, m protoreflect.Message, paths []string) error {
	for _, o := range r.oneofs {
		if m.WhichOneof(o) == nil {
			return invalid(path+string(o.Name()), "one of its fields has to be set", "set one")
		}
	}
	for _, f := range r.fields {
		name := string(f.field.Name())
		if len(paths) > 0 && r.masked[name] && !slices.Contains(paths, name) {
			continue
		}
		if err := f.check(path+name, m); err != nil {
			return err
		}
	}
	return nil
}

// check holds a field to its rules. What is not set need not fit a rule, unless
// it is required.
func (f *fieldRules) check(path string, m protoreflect.Message) error {
	if !m.Has(f.field) {
		switch {
		case f.required:
			return invalid(path, "the field is required", "set it")
		case f.size != nil && !f.size.has(0):
			return invalid(path, "it has no elements", "it has to have "+f.size.text)
		}
		return nil
	}
	value := m.Get(f.field)
	switch {
	case f.field.IsMap():
		return f.checkMap(path, value.Map())
	case f.field.IsList():
		return f.checkList(path, value.List())
	}
	return f.checkValue(path, f.field, value)
}

func (f *fieldRules) checkSize(path string, n int) error {
	if f.size != nil && !f.size.has(int64(n)) {
		return invalid(path, fmt.Sprintf("it has %d elements", n), "it has to have "+f.size.text)
	}
	return nil
}

func (f *fieldRules) checkList(path string, list protoreflect.List) error {
	if err := f.checkSize(path, list.Len()); err != nil {
		return err
	}
	seen := map[any]bool{}
	for i := range list.Len() {
		at := fmt.Sprintf("%s[%d]", path, i)
		if err := f.checkValue(at, f.field, list.Get(i)); err != nil {
			return err
		}
		if !f.unique {
			continue
		}
		if v := list.Get(i).Interface(); seen[v] {
			return invalid(at, "it stands there twice", "leave it out")
		} else {
			seen[v] = true
		}
	}
	return nil
}

func (f *fieldRules) checkMap(path string, m protoreflect.Map) (err error) {
	if err := f.checkSize(path, m.Len()); err != nil {
		return err
	}
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if f.key != nil {
			err = f.key.checkText(path+" (key)", k.String())
		}
		if err == nil {
			err = f.checkValue(path+" (value)", f.field.MapValue(), v)
		}
		return err == nil
	})
	return err
}

// checkValue checks a value, or an element, of a kind.
func (f *fieldRules) checkValue(path string, kind protoreflect.FieldDescriptor, value protoreflect.Value) error {
	switch kind.Kind() {
	case protoreflect.StringKind:
		return f.checkText(path, value.String())
	case protoreflect.Int64Kind, protoreflect.Int32Kind:
		if f.value != nil && !f.value.has(value.Int()) {
			return invalid(path, fmt.Sprintf("%d is out of range", value.Int()), "it has to be "+f.value.text)
		}
	case protoreflect.EnumKind:
		if kind.Enum().Values().ByNumber(value.Enum()) == nil {
			return invalid(path, fmt.Sprintf("there is no %d", value.Enum()), "use one of the values that its .proto file names")
		}
	case protoreflect.MessageKind:
		return f.checkMessage(path, value.Message())
	}
	return nil
}

func (f *fieldRules) checkMessage(path string, m protoreflect.Message) error {
	t, ok := m.Interface().(*timestamppb.Timestamp)
	switch {
	case ok && (t.CheckValid() != nil || f.value != nil && !f.value.has(t.GetSeconds())):
		return invalid(path, "the time is out of range", "times lie between the years 1970 and 2105")
	case ok || f.message == nil:
		return nil
	}
	return f.message.below(path+".", m, nil)
}

func (f *fieldRules) checkText(path, text string) error {
	if n := utf8.RuneCountInString(text); f.length != nil && !f.length.has(int64(n)) {
		return invalid(path, fmt.Sprintf("it has %d characters", n), "it has to have "+f.length.text)
	}
	if f.pattern != nil && !f.pattern.MatchString(text) {
		text := f.pattern.String()
		return invalid(path, "it is not of the form that it has to have", "it has to match "+text[len("^(?:"):len(text)-len(")$")])
	}
	return nil
}
