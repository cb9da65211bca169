package iam

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/authz"
)

func with(pairs ...string) incoming {
	return readMetadata(metadata.NewIncomingContext(context.Background(), metadata.Pairs(pairs...)))
}

func TestMetadata_RequestIDIsTheClientsIfItIsOne(t *testing.T) {
	if in := with("x-request-id", "abc-1"); in.call.RequestID != "abc-1" {
		t.Errorf("got %q", in.call.RequestID)
	}
	for _, id := range []string{"", "two words", strings.Repeat("x", 129), "tab\t"} {
		if in := with("x-request-id", id); in.call.RequestID == id || len(in.call.RequestID) < 20 {
			t.Errorf("%q: got %q, want one that the server made", id, in.call.RequestID)
		}
	}
}

func TestMetadata_Bearer(t *testing.T) {
	if in := with("authorization", "bearer t1.x"); in.call.Token != "t1.x" || in.err != nil {
		t.Errorf("got %q, %v", in.call.Token, in.err)
	}
	if in := with(); in.call.Token != "" || in.err != nil {
		t.Errorf("without authorization: got %q, %v", in.call.Token, in.err)
	}
	for _, pairs := range [][]string{
		{"authorization", "Basic abc"}, {"authorization", "Bearer "}, {"authorization", "t1.x"},
		{"authorization", "Bearer a", "authorization", "Bearer b"}, {"authorization", "Api-Key AQVN"},
	} {
		if in := with(pairs...); !in.unauthenticated() || in.call.Token != "" {
			t.Errorf("%q: got %q, %v", pairs, in.call.Token, in.err)
		}
	}
}

func TestMetadata_Consistency(t *testing.T) {
	for text, want := range map[string]authz.Consistency{
		"any": {Level: authz.Any}, "at-least abc": {Level: authz.AtLeast, Token: "abc"},
	} {
		if in := with("pemba-consistency", text); in.err != nil || !in.call.Stale || in.call.Consistency != want {
			t.Errorf("%s: got %+v", text, in)
		}
	}
	for _, pairs := range [][]string{nil, {"pemba-consistency", "latest"}} {
		if in := with(pairs...); in.err != nil || in.call.Stale {
			t.Errorf("%q: got %+v, want the latest", pairs, in)
		}
	}
	for _, text := range []string{"", "ANY", "any x", "at-least", "at-least ", "exactly x", "at-least a b"} {
		if in := with("pemba-consistency", text); in.err == nil || domainError(in.err).Code != authz.Invalid {
			t.Errorf("%q: got %+v, want an error", text, in)
		}
	}
}

func TestMetadata_IdempotencyKey(t *testing.T) {
	if in := with("idempotency-key", "d9f1"); in.err != nil || in.call.Idempotency != "d9f1" {
		t.Errorf("got %+v", in)
	}
	for _, key := range []string{"two words", strings.Repeat("x", 129)} {
		if in := with("idempotency-key", key); domainError(in.err).Field != idempotencyHeader {
			t.Errorf("%q: got %+v, want an error", key, in)
		}
	}
}
