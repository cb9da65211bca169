package telemetry

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/metadata"
)

// record returns a tracer and what it has recorded.
func record(ratio float64) (*Tracer, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)), ratio), recorder
}

func incoming(traceparent string) context.Context {
	return metadata.NewIncomingContext(context.Background(), metadata.Pairs("traceparent", traceparent))
}

const trace1 = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestTracer_FollowsTheCaller(t *testing.T) {
	tracer, recorder := record(0)
	ctx, span := tracer.Request(incoming("00-"+trace1+"-00f067aa0ba902b7-01"), "s", "M")
	_, part := tracer.Part(ctx, "part")
	part.Int("n", 5)
	part.Failed("NO")
	part.End()
	span.End()
	ended := recorder.Ended()
	if len(ended) != 2 {
		t.Fatalf("got %d spans", len(ended))
	}
	child, parent := ended[0], ended[1]
	if parent.Name() != "s/M" || parent.SpanContext().TraceID().String() != trace1 || parent.Parent().SpanID().String() != "00f067aa0ba902b7" {
		t.Errorf("the request's span is %s of trace %s below %s", parent.Name(), parent.SpanContext().TraceID(), parent.Parent().SpanID())
	}
	if child.Name() != "part" || child.Parent().SpanID() != parent.SpanContext().SpanID() || child.Status().Description != "NO" {
		t.Errorf("the part's span is %s below %s, %v", child.Name(), child.Parent().SpanID(), child.Status())
	}
}

func TestTracer_DoesNotTraceWhatTheCallerDoesNot(t *testing.T) {
	tracer, recorder := record(1)
	ctx, span := tracer.Request(incoming("00-"+trace1+"-00f067aa0ba902b7-00"), "s", "M")
	_, part := tracer.Part(ctx, "part")
	part.End()
	span.End()
	if n := len(recorder.Started()); n != 0 {
		t.Errorf("got %d spans", n)
	}
}

func TestTracer_SamplesTheRest(t *testing.T) {
	for _, c := range []struct {
		ratio     float64
		low, high int
	}{{0, 0, 0}, {0.5, 350, 650}, {1, 1000, 1000}, {2, 1000, 1000}, {-1, 0, 0}} {
		tracer, recorder := record(c.ratio)
		for range 1000 {
			_, span := tracer.Request(incoming("nonsense"), "s", "M")
			span.End()
		}
		if n := len(recorder.Ended()); n < c.low || n > c.high {
			t.Errorf("ratio %v: %d of 1,000 are traced", c.ratio, n)
		}
	}
}

func TestTracer_UntracedAllocatesNothing(t *testing.T) {
	off, _ := record(0)
	for name, tracer := range map[string]*Tracer{"off": nil, "not sampled": off} {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("a", "b"))
		n := testing.AllocsPerRun(1000, func() {
			ctx, span := tracer.Request(ctx, "s", "M")
			_, part := tracer.Part(ctx, "part")
			part.Int("n", 1)
			part.End()
			span.End()
		})
		if n != 0 {
			t.Errorf("%s: a request allocates %v times", name, n)
		}
	}
}

func TestCheckEndpoint_NamesTheForm(t *testing.T) {
	for endpoint, fine := range map[string]bool{
		"http://127.0.0.1:4317": true, "https://otel.example:4317": true, "http://[::1]:4317": true,
		"127.0.0.1:4317": false, "otel": false, "http://otel": false, "ftp://otel:1": false, "http://otel:4317/v1/traces": false, "": false,
	} {
		if err := CheckEndpoint(endpoint); (err == nil) != fine {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
