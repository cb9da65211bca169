package telemetry

import (
	"context"
	"math"
	"math/rand/v2"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// A Tracer decides which requests are traced, and begins their spans. A nil
// Tracer traces none. Its methods may be called from any goroutine.
type Tracer struct {
	tracer trace.Tracer
	most   uint64 // a request without a trace is traced if a random number is below
}

// NewTracer traces what its callers trace, and that share of the requests whose
// callers say nothing about it.
func NewTracer(provider trace.TracerProvider, ratio float64) *Tracer {
	most := uint64(math.MaxUint64)
	if ratio < 1 {
		most = uint64(max(ratio, 0) * (1 << 63) * 2)
	}
	return &Tracer{tracer: provider.Tracer("github.com/pemba-authz/pemba"), most: most}
}

// Request begins the span of a request that arrived with ctx over gRPC. A
// request that is not traced allocates nothing, unless its caller sent a trace.
func (t *Tracer) Request(ctx context.Context, service, method string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	if parent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(parent) > 0 {
		state := metadata.ValueFromIncomingContext(ctx, "tracestate")
		ctx = propagation.TraceContext{}.Extract(ctx, header{parent, state})
		if at := trace.SpanContextFromContext(ctx); at.IsValid() {
			if !at.IsSampled() {
				return ctx, Span{}
			}
			return t.begin(ctx, service, method)
		}
	}
	return t.Sample(ctx, service, method)
}

// Sample begins a trace for a request, if chance has it. ctx may be that of a
// stream on which the request came; its trace, if any, is another one.
func (t *Tracer) Sample(ctx context.Context, service, method string) (context.Context, Span) {
	if t == nil || t.most == 0 || rand.Uint64() > t.most {
		return ctx, Span{}
	}
	return t.begin(ctx, service, method, trace.WithNewRoot())
}

func (t *Tracer) begin(ctx context.Context, service, method string, options ...trace.SpanStartOption) (context.Context, Span) {
	options = append(options, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service), attribute.String("rpc.method", method)))
	ctx, span := t.tracer.Start(ctx, service+"/"+method, options...)
	return ctx, Span{span}
}

// Traces reports whether ctx's request is traced.
func (t *Tracer) Traces(ctx context.Context) bool {
	return t != nil && trace.SpanFromContext(ctx).IsRecording()
}

// Part begins a part of the work for ctx's request, if that is traced.
func (t *Tracer) Part(ctx context.Context, name string) (context.Context, Span) {
	if !t.Traces(ctx) {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, Span{span}
}

// A Span is a request, or a part of its work, that is traced. The zero value is
// one that is not; it takes everything and does nothing.
type Span struct{ span trace.Span }

// Traced reports whether what the span is told will be seen.
func (s Span) Traced() bool { return s.span != nil }

// Int adds a number.
func (s Span) Int(key string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Text adds a text. What users store does not belong into traces.
func (s Span) Text(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Failed says why the work failed: a reason, not a sentence that may quote what
// users store.
func (s Span) Failed(reason string) {
	if s.span != nil {
		s.span.SetStatus(otelcodes.Error, reason)
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// header is the part of a request's metadata that tells its trace.
type header struct{ parent, state []string }

func (h header) Get(key string) string {
	values := h.state
	if key == "traceparent" {
		values = h.parent
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (header) Set(string, string) {}

func (header) Keys() []string { return []string{"traceparent", "tracestate"} }
