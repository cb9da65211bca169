package iam

import (
	"regexp"
)

// filterPattern is the one expression that lists can be filtered by.
var filterPattern = regexp.MustCompile(`^\s*name\s*=\s*(?:"([^"]*)"|'([^']*)')\s*$`)

// nameIn returns the name that a filter asks for, "" = no filter.
func nameIn(filter string) (string, error) {
	if filter == "" {
		return "", nil
	}
	m := filterPattern.FindStringSubmatch(filter)
	if m == nil || m[1]+m[2] == "" {
		return "", invalid("filter", "not an expression that this list knows", `write name="NAME"`)
	}
	return m[1] + m[2], nil
}
