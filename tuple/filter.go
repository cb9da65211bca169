package tuple

import "strings"

// Filter selects tuples. An empty field matches everything, except that Type
// is always set. SubjectRelation Plain selects subjects that are not usersets.
type Filter struct {
	Type, ID, Relation string

	SubjectType, SubjectID, SubjectRelation string
}

// ParseFilter reads type[:id][#relation][@type[:id][#relation]]; so
// "doc#viewer" selects all viewers of docs.
func ParseFilter(s string) (Filter, error) {
	var f Filter
	obj, sub, hasSub := s, "", false
	// Ids may contain "@": it separates only after "#relation", or in a text
	// without "#relation" after a type without id.
	if hash := strings.IndexByte(s, '#'); hash >= 0 && !strings.Contains(s[:hash], "@") {
		rest := s[hash+1:]
		f.Relation, sub, hasSub = strings.Cut(rest, "@")
		if f.Relation == "" {
			return Filter{}, &FieldError{"filter", s, "a relation follows '#'; " + filterFix}
		}
		obj = s[:hash]
	} else {
		obj, sub, hasSub = cutFilterSubject(s)
	}
	f.Type, f.ID, _ = strings.Cut(obj, ":")
	if hasSub {
		styp, rest, hasID := strings.Cut(sub, ":")
		if hasID {
			f.SubjectID, f.SubjectRelation, _ = strings.Cut(rest, "#")
		} else {
			styp, f.SubjectRelation, _ = strings.Cut(styp, "#")
		}
		f.SubjectType = styp
		if styp == "" {
			return Filter{}, &FieldError{"filter", s, filterFix}
		}
	}
	return f, f.Validate()
}

const filterFix = "a filter is type[:id][#relation][@type[:id][#relation]], as doc#viewer or doc:readme@user:ann"

// cutFilterSubject splits "type[:id]@type...": at the first "@type:", else at
// the last "@type". Where an id with "@" makes this ambiguous, writing the
// relation decides.
func cutFilterSubject(s string) (obj, sub string, ok bool) {
	obj = s
	for i := range len(s) {
		if s[i] != '@' {
			continue
		}
		typ := s[i+1:]
		end := strings.IndexAny(typ, ":#@")
		if end >= 0 {
			typ = typ[:end]
		}
		if !ValidType(typ) {
			continue
		}
		obj, sub, ok = s[:i], s[i+1:], true
		if end >= 0 && sub[end] == ':' {
			break
		}
	}
	return obj, sub, ok
}

// Validate checks f's names and ids. Type is required.
func (f Filter) Validate() error {
	switch {
	case !ValidType(f.Type):
		return &FieldError{"filter.type", f.Type, nameFix}
	case f.ID != "" && !ValidID(f.ID):
		return &FieldError{"filter.id", f.ID, idFix}
	case f.Relation != "" && !ValidName(f.Relation):
		return &FieldError{"filter.relation", f.Relation, nameFix}
	case f.SubjectType == "" && (f.SubjectID != "" || f.SubjectRelation != ""):
		return &FieldError{"filter.subject.type", "", "a subject's id or relation needs its type"}
	case f.SubjectType != "" && !ValidType(f.SubjectType):
		return &FieldError{"filter.subject.type", f.SubjectType, nameFix}
	case f.SubjectID != "" && f.SubjectID != Wildcard && !ValidID(f.SubjectID):
		return &FieldError{"filter.subject.id", f.SubjectID, idFix}
	case f.SubjectRelation != "" && f.SubjectRelation != Plain && !ValidName(f.SubjectRelation):
		return &FieldError{"filter.subject.relation", f.SubjectRelation, nameFix}
	}
	return nil
}

// Matches reports whether f selects t.
func (f Filter) Matches(t Tuple) bool {
	rel := f.SubjectRelation
	if rel == Plain {
		if t.Subject.Relation != "" {
			return false
		}
		rel = ""
	}
	return f.Type == t.Object.Type &&
		(f.ID == "" || f.ID == t.Object.ID) &&
		(f.Relation == "" || f.Relation == t.Relation) &&
		(f.SubjectType == "" || f.SubjectType == t.Subject.Type) &&
		(f.SubjectID == "" || f.SubjectID == t.Subject.ID) &&
		(rel == "" || rel == t.Subject.Relation)
}
