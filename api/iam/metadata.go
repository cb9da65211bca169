package iam

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
)

// Metadata that requests bring and answers carry.
const (
	requestIDHeader   = "x-request-id"
	idempotencyHeader = "idempotency-key"
	consistencyHeader = "pemba-consistency"       // any | latest | at-least TOKEN; latest if absent
	tokenHeader       = "pemba-consistency-token" // of answers
)

// maxHeader bounds ids that clients choose, in bytes.
const maxHeader = 128

// incoming is what comes with a request beside its message.
type incoming struct {
	call core.Call
	err  error // what is wrong with it
}

// unauthenticated reports whether all that is wrong is how the caller has
// authenticated.
func (in *incoming) unauthenticated() bool {
	var e *authz.Error
	return errors.As(in.err, &e) && e.Code == authz.Unauthenticated
}

// readMetadata reads a request's metadata. A call has a request id even if
// something is wrong.
func readMetadata(ctx context.Context) incoming {
	md, _ := metadata.FromIncomingContext(ctx)
	in := incoming{call: core.Call{
		RequestID: first(md, requestIDHeader), UserAgent: first(md, "user-agent"), Address: addressOf(ctx),
		Idempotency: first(md, idempotencyHeader),
	}}
	if !printable(in.call.RequestID) {
		in.call.RequestID = strings.ToLower(rand.Text())
	}
	if key := in.call.Idempotency; key != "" && !printable(key) {
		in.err = invalid(idempotencyHeader, "not an idempotency key", "a key has up to 128 printable ASCII characters; a UUID is fine")
		return in
	}
	if in.err = in.readConsistency(md.Get(consistencyHeader)); in.err == nil {
		in.call.Token, in.err = bearer(md.Get("authorization"))
	}
	return in
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// printable reports whether an id is one that may be kept and shown.
func printable(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxHeader
}

// bearer returns the IAM token that a caller has sent, "" = none.
func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	const scheme = "Bearer "
	if len(values) > 1 || len(values[0]) <= len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return "", &authz.Error{Code: authz.Unauthenticated, Reason: "INVALID_AUTHORIZATION",
			Message: "the metadata authorization is not one bearer token", Fix: `send "authorization: Bearer TOKEN" with an IAM token`}
	}
	return values[0][len(scheme):], nil
}

// readConsistency reads how fresh an answer has to be.
func (in *incoming) readConsistency(values []string) error {
	if len(values) == 0 {
		return nil
	}
	level, token, _ := strings.Cut(values[0], " ")
	switch {
	case len(values) > 1:
	case level == "latest" && token == "":
		return nil
	case level == "any" && token == "":
		in.call.Stale, in.call.Consistency = true, authz.Consistency{Level: authz.Any}
		return nil
	case level == "at-least" && printable(token):
		in.call.Stale, in.call.Consistency = true, authz.Consistency{Level: authz.AtLeast, Token: token}
		return nil
	}
	return invalid(consistencyHeader, "not a consistency", `send "latest", "any" or "at-least TOKEN" with the `+tokenHeader+" of an answer")
}

func addressOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if host, _, err := net.SplitHostPort(p.Addr.String()); err == nil {
		return host
	}
	return p.Addr.String()
}
