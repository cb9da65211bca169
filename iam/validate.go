package iam

import (
	"cmp"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// Patterns and limits of the vendor's API definitions.
var (
	namePattern       = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	groupNamePattern  = regexp.MustCompile(`^[a-zA-Z]([-a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$`)
	labelKeyPattern   = regexp.MustCompile(`^[a-z][-_0-9a-z]{0,62}$`)
	labelValuePattern = regexp.MustCompile(`^[-_0-9a-z]{0,63}$`)
	idPattern         = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

const (
	maxDescription = 256 // characters
	maxLabels      = 64
)

func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return invalid("name", name, "not a name", "a name is 1 to 63 lower-case letters, digits and '-', a letter first, no '-' last")
}

func checkDescription(text string) error {
	if n := utf8.RuneCountInString(text); n > maxDescription || !utf8.ValidString(text) {
		return invalid("description", "", fmt.Sprintf("the description has %d characters, at most %d are allowed", n, maxDescription), "shorten it")
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return invalid("labels", "", fmt.Sprintf("there are %d labels, at most %d are allowed", len(labels), maxLabels), "use fewer")
	}
	for k, v := range labels {
		if !labelKeyPattern.MatchString(k) {
			return invalid("labels", k, "not a label's key", "a key is 1 to 63 lower-case letters, digits, '-' and '_', a letter first")
		}
		if !labelValuePattern.MatchString(v) {
			return invalid("labels", v, "not a label's value", "a value is up to 63 lower-case letters, digits, '-' and '_'")
		}
	}
	return nil
}

func checkID(field, id string) error {
	if id == "" {
		return invalid(field, "", field+" is missing", "name it")
	}
	if !idPattern.MatchString(id) {
		return invalid(field, id, "not an id", "an id is 1 to 64 letters, digits, '-', '_' and '.'")
	}
	return nil
}

// About is what people say about a resource.
type About struct {
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

func (a *About) check() error {
	if err := checkName(a.Name); err != nil {
		return err
	}
	return a.checkRest()
}

func (a *About) checkRest() error {
	if err := checkDescription(a.Description); err != nil {
		return err
	}
	return checkLabels(a.Labels)
}

// Fields of About, and of other resources, that an update may name.
const (
	FieldName        = "name"
	FieldDescription = "description"
	FieldLabels      = "labels"
	FieldTitle       = "title"
	FieldExpiresAt   = "expires_at"
)

// update takes the fields of b that are named. An empty name stays what it was,
// as in the vendor's API.
func (a *About) update(b About, fields []string) {
	for _, f := range fields {
		switch f {
		case FieldName:
			if b.Name != "" {
				a.Name = b.Name
			}
		case FieldDescription:
			a.Description = b.Description
		case FieldLabels:
			a.Labels = b.Labels
		}
	}
}

// checkUpdate checks the fields that an update names; its name may be empty.
func (a *About) checkUpdate(fields []string) error {
	if a.Name != "" {
		if err := checkName(a.Name); err != nil {
			return err
		}
	}
	return a.checkRest()
}

// byName orders lists.
func byName(a, b *About, idA, idB string) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(idA, idB))
}
