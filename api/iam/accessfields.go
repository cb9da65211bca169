package iam

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// checkToken refuses what is no IAM token by its length. An empty one would be
// nobody's, and so an anonymous caller's.
func checkToken(token string) error {
	switch {
	case token == "":
		return missing("iam_token", "send the token of the caller, or say that he is anonymous")
	case len(token) > maxIAMToken:
		return invalid("iam_token", "it is longer than 4,096 bytes", "send the token as the caller sent it")
	}
	return nil
}

// givenSubject translates a subject that a service says has authenticated; an
// empty one would be an anonymous caller.
func givenSubject(typ, id string) (core.Subject, error) {
	switch {
	case typ == "":
		return core.Subject{}, missing("subject.type", "name it: userAccount, serviceAccount or federatedUser")
	case id == "":
		return core.Subject{}, missing("subject.id", "name the subject")
	}
	return core.Subject{Type: core.SubjectType(typ), ID: id}, nil
}

func noIdentity() error {
	return missing("identity", "say who asks for access: iam_token, subject or anonymous")
}

// missing says that a required field is absent.
func missing(field, fix string) error {
	return &authz.Error{Code: authz.Invalid, Reason: "MISSING_FIELD", Field: field, Message: field + " is missing", Fix: fix}
}

// at names one element of a repeated field.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

func noPath(field string) error {
	return missing(field, "name the resource that access is asked for")
}

func halfResource(field string) error {
	return missing(field, "a resource has a kind and an id")
}

// pathOf translates a resource path.
func pathOf(field string, path []*pb.Resource) ([]core.Resource, error) {
	if len(path) == 0 {
		return nil, noPath(field)
	}
	out := make([]core.Resource, len(path))
	for i, r := range path {
		if out[i] = ownResource(r); out[i].Kind == "" || out[i].ID == "" {
			return nil, halfResource(at(field, i))
		}
	}
	return out, nil
}

// consistencyOf translates a consistency; absent = any.
func consistencyOf(c *pembav1.Consistency) (authz.Consistency, error) {
	switch level := c.GetLevel().(type) {
	case nil, *pembav1.Consistency_Any:
		return authz.Consistency{Level: authz.Any}, nil
	case *pembav1.Consistency_Latest:
		return authz.Consistency{Level: authz.Latest}, nil
	case *pembav1.Consistency_AtLeast:
		return withToken(authz.AtLeast, "consistency.at_least", level.AtLeast)
	case *pembav1.Consistency_Exactly:
		return withToken(authz.Exactly, "consistency.exactly", level.Exactly)
	}
	return authz.Consistency{}, invalid("consistency", "unknown level", "use any, at_least, exactly or latest")
}

func withToken(level authz.Level, field, token string) (authz.Consistency, error) {
	switch {
	case token == "":
		return authz.Consistency{}, missing(field, "send the token of an earlier answer")
	case len(token) > maxConsistencyToken:
		return authz.Consistency{}, invalid(field, "a token has at most 256 bytes", "send it exactly as an answer gave it")
	}
	return authz.Consistency{Level: level, Token: token}, nil
}

// accessError points an error at the field of the request that it is about: one
// about a token at the level that carried it.
func accessError(err error, c authz.Consistency) error {
	var e *authz.Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	switch {
	case c.Level == authz.AtLeast && aboutToken(e):
		moved.Field = "consistency.at_least"
	case c.Level == authz.Exactly && aboutToken(e):
		moved.Field = "consistency.exactly"
	case strings.HasSuffix(e.Field, "].type"): // of a path
		moved.Field = strings.TrimSuffix(e.Field, "type") + "kind"
	default:
		return err
	}
	return &moved
}

// aboutToken reports whether an error is about a consistency token. A revision
// that is not readable is: only a token names one.
func aboutToken(e *authz.Error) bool {
	return strings.HasPrefix(e.Field, "consistency") || e.Code == authz.OutOfRange && e.Field == ""
}
