// Package recorded keeps spans for tests to look at.
package recorded

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/pemba-authz/pemba/internal/telemetry"
)

// Spans are those that have ended. Its methods may be called from any goroutine.
type Spans struct{ recorder *tracetest.SpanRecorder }

// New returns a tracer and what it records.
func New(ratio float64) (*telemetry.Tracer, Spans) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	return telemetry.NewTracer(provider, ratio), Spans{recorder}
}

// Tree is the spans below one, each with its own tree.
type Tree map[string]Tree

// Below returns the tree below the span with an id, in hexadecimal; spans of
// one name become one.
func (s Spans) Below(id string) Tree {
	tree := Tree{}
	for _, span := range s.recorder.Ended() {
		if span.Parent().SpanID().String() == id {
			tree[span.Name()] = s.Below(span.SpanContext().SpanID().String())
		}
	}
	return tree
}

// Attribute returns what the last span of a name says about key, as text; ""
// = nothing.
func (s Spans) Attribute(name, key string) string {
	text := ""
	for _, span := range s.recorder.Ended() {
		for _, a := range span.Attributes() {
			if span.Name() == name && string(a.Key) == key {
				text = a.Value.String()
			}
		}
	}
	return text
}

// Failure returns why the last span of a name failed, "" = it did not.
func (s Spans) Failure(name string) string {
	text := ""
	for _, span := range s.recorder.Ended() {
		if span.Name() == name {
			text = span.Status().Description
		}
	}
	return text
}

// Root is the id of a span without parent.
const Root = "0000000000000000"
