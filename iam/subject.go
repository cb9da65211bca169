package iam

import (
	"strings"

	"github.com/pemba-authz/pemba/tuple"
)

// SubjectType is a kind of subject, as access bindings on the wire name it.
type SubjectType string

const (
	UserAccount    SubjectType = "userAccount"
	ServiceAccount SubjectType = "serviceAccount"
	FederatedUser  SubjectType = "federatedUser"
	GroupSubject   SubjectType = "group"
	System         SubjectType = "system"
)

// Ids of public groups, of type System.
const (
	AllUsers              = "allUsers"              // everybody, without authentication
	AllAuthenticatedUsers = "allAuthenticatedUsers" // whoever has authenticated
)

// Subject is somebody to whom a role can be granted.
type Subject struct {
	Type SubjectType `json:"type"`
	ID   string      `json:"id"`
}

// String returns TYPE:ID.
func (s Subject) String() string { return string(s.Type) + ":" + s.ID }

// ParseSubject reads TYPE:ID. A system group may be given by its id alone, and a
// group of users as the vendor's tools write it, "group:organization:ID:users".
func ParseSubject(text string) (Subject, error) {
	typ, id, ok := strings.Cut(text, ":")
	s := Subject{SubjectType(typ), id}
	switch {
	case !ok && (text == AllUsers || text == AllAuthenticatedUsers):
		return Subject{System, text}, nil
	case !ok || id == "":
		return s, invalid("subject", text, "a subject is TYPE:ID", "write it as serviceAccount:ID, userAccount:ID, federatedUser:ID, group:ID or system:allUsers")
	case s.Type == GroupSubject && strings.HasSuffix(id, ":users"):
		return Subject{System, text}, nil
	}
	return s, s.check("subject")
}

// check refuses what cannot be a subject, whatever is stored.
func (s Subject) check(field string) error {
	switch s.Type {
	case UserAccount, ServiceAccount, FederatedUser, GroupSubject, System:
	default:
		return invalid(field+".type", string(s.Type), "unknown type of subject", "use userAccount, serviceAccount, federatedUser, group or system")
	}
	switch {
	case s.ID == "":
		return invalid(field+".id", "", "the subject's id is missing", "name the subject")
	case len(s.ID) > 100 || !tuple.ValidID(s.ID):
		return invalid(field+".id", s.ID, "not an id", "an id has at most 100 bytes, without blanks and '#'")
	}
	if s.Type == System {
		if _, _, ok := s.systemGroup(); !ok && s.ID != AllUsers && s.ID != AllAuthenticatedUsers {
			return invalid(field+".id", s.ID, "unknown system group", "use allUsers, allAuthenticatedUsers, group:organization:ID:users or group:federation:ID:users")
		}
	}
	return nil
}

// systemGroup returns of what a system group has all users: "organization" or
// "federation", and its id.
func (s Subject) systemGroup() (of, id string, ok bool) {
	part := strings.Split(s.ID, ":")
	if s.Type != System || len(part) != 4 || part[0] != "group" || part[2] == "" || part[3] != "users" {
		return "", "", false
	}
	return part[1], part[2], part[1] == "organization" || part[1] == "federation"
}

// tuple returns the subject as tuples have it.
func (s Subject) tuple() tuple.Subject {
	switch s.Type {
	case GroupSubject:
		return tuple.Subject{Type: groupType, ID: s.ID, Relation: memberRelation}
	default:
		return tuple.Subject{Type: "iam." + string(s.Type), ID: s.ID}
	}
}

// subjectOf is the contrary of tuple.
func subjectOf(t tuple.Subject) Subject {
	if t.Type == groupType {
		return Subject{GroupSubject, t.ID}
	}
	return Subject{SubjectType(strings.TrimPrefix(t.Type, "iam.")), t.ID}
}
