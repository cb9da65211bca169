package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// ExportConfig says where spans go.
type ExportConfig struct {
	Endpoint string  // OTLP over gRPC, http://HOST:PORT for plaintext or https://HOST:PORT
	Ratio    float64 // share of requests that are traced although their callers do not ask for it, 0 to 1
	Version  string  // of the program
	NodeID   string
	Log      *slog.Logger // takes failures to export
}

// CheckEndpoint says what is wrong with an endpoint.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" {
		return fmt.Errorf("an OTLP endpoint is written http://HOST:PORT or https://HOST:PORT, as http://127.0.0.1:4317")
	}
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" {
		return fmt.Errorf("an OTLP endpoint has a port, as http://127.0.0.1:4317")
	}
	return nil
}

// Export returns a Tracer whose spans are sent in the background, and how to
// send what is left and stop. Spans that the endpoint does not take are dropped;
// requests never wait for it.
func Export(ctx context.Context, c ExportConfig) (*Tracer, func(context.Context) error, error) {
	if err := CheckEndpoint(c.Endpoint); err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(c.Endpoint), otlptracegrpc.WithTimeout(10*time.Second))
	if err != nil {
		return nil, nil, fmt.Errorf("export traces to %s: %w", c.Endpoint, err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { c.Log.Warn("traces", "err", err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // the Tracer has decided
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "pemba"),
			attribute.String("service.version", c.Version),
			attribute.String("service.instance.id", c.NodeID),
		)))
	return NewTracer(provider, c.Ratio), provider.Shutdown, nil
}
