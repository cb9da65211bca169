package native

import (
	"context"
	"time"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// base is what every service of the server needs.
type base struct {
	service *authz.Service
	maxWait time.Duration
	streams *streams
}

// bounded gives ctx the server's longest wait, unless its caller set a deadline.
func (b base) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, b.maxWait)
}

// consistencyOf translates a consistency; absent is any.
func consistencyOf(c *pembav1.Consistency) (authz.Consistency, error) {
	switch level := c.GetLevel().(type) {
	case *pembav1.Consistency_AtLeast:
		return withToken(authz.AtLeast, "consistency.at_least", level.AtLeast)
	case *pembav1.Consistency_Exactly:
		return withToken(authz.Exactly, "consistency.exactly", level.Exactly)
	case *pembav1.Consistency_Latest:
		return authz.Consistency{Level: authz.Latest}, nil
	}
	if len(c.ProtoReflect().GetUnknown()) > 0 {
		// A level of a later version must not pass for the weakest one.
		return authz.Consistency{}, invalid("consistency", "", "use one of the levels that this server knows: any, at_least, exactly, latest")
	}
	return authz.Consistency{Level: authz.Any}, nil
}

func withToken(level authz.Level, field, token string) (authz.Consistency, error) {
	token, err := tokenOf(field, token)
	return authz.Consistency{Level: level, Token: token}, err
}

// tokenOf checks that a token is there and not too long; the service reads it.
func tokenOf(field, token string) (string, error) {
	if token == "" {
		return "", missing(field, "give the token of an answer or of a write")
	}
	if len(token) > maxTokenBytes {
		return "", tooLong(field, len(token), maxTokenBytes)
	}
	return token, nil
}
