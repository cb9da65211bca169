package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/internal/telemetry"
)

// observeOptions say who may see how the node does.
type observeOptions struct {
	adminAddr  string
	adminGiven bool // by a flag or a variable
	otlp       string
	traceRatio float64
}

func (o *observeOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.adminAddr, "admin-addr", defaultAdmin, "where to serve /metrics, /healthz, /readyz and, to this machine only, /debug/pprof/ over plain HTTP, `HOST:PORT`; \"off\" = nowhere")
	f.StringVar(&o.otlp, "otlp-endpoint", "", "send traces there by OTLP over gRPC, `http://HOST:PORT` or https; none without it")
	f.Float64Var(&o.traceRatio, "trace-ratio", 0.001, "with --otlp-endpoint: the share of requests to trace, besides those whose callers ask for it")
	fromEnv(cmd, "admin-addr", "otlp-endpoint", "trace-ratio")
}

func (o *observeOptions) validate() error {
	if o.otlp != "" {
		if err := telemetry.CheckEndpoint(o.otlp); err != nil {
			return fmt.Errorf("--otlp-endpoint %q: %w", o.otlp, err)
		}
	}
	if !(o.traceRatio >= 0 && o.traceRatio <= 1) {
		return fmt.Errorf("--trace-ratio %g: it is a share from 0 to 1", o.traceRatio)
	}
	return nil
}

// A rim is what stands between a server and those who use and operate it:
// who is admitted, what is measured and traced, the admin listener.
type rim struct {
	access   access
	nodeTLS  *followed[nodeTLS] // nil = plaintext
	meter    *telemetry.Meter   // nil = nobody would read it
	tracer   *telemetry.Tracer  // nil = off
	admin    *admin             // nil = off
	log      *slog.Logger
	measured atomic.Pointer[measured] // nil = the node is starting
	draining atomic.Bool
	running  context.Context // ends when close begins
	stop     context.CancelFunc
	loops    sync.WaitGroup
	flush    func(context.Context) error // of traces; nil = off
}

// openRim loads and starts what o names; the caller closes it. The admin
// listener answers from now on. From the end of ctx on the node is stopping.
func (o *serveOptions) openRim(ctx context.Context, log *slog.Logger) (*rim, error) {
	access, err := o.load(log)
	if err != nil {
		return nil, err
	}
	r := &rim{access: access, log: log}
	if o.otlp != "" {
		r.tracer, r.flush, err = telemetry.Export(context.Background(), telemetry.ExportConfig{
			Endpoint: o.otlp, Ratio: o.traceRatio, Version: versionText(), NodeID: o.nodeID, Log: log,
		})
		if err != nil {
			return nil, err
		}
	}
	listener, err := o.listenAdmin(log)
	if err != nil {
		return nil, err
	}
	if listener != nil {
		r.meter = &telemetry.Meter{}
		metrics := prometheus.NewRegistry()
		metrics.MustRegister(r, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		r.admin = serveAdmin(listener, metrics, r.notReady, log)
		log.Info("metrics and probes are served", "addr", r.admin.addr())
	}
	context.AfterFunc(ctx, func() { r.draining.Store(true) })
	r.running, r.stop = context.WithCancel(context.Background())
	r.loops.Go(func() { refreshEvery(r.running, followEvery, access.refresh) })
	return r, nil
}

// follow lets r look after the certificates of the node port; nil = none.
func (r *rim) follow(certificates *followed[nodeTLS]) {
	if certificates == nil {
		return
	}
	r.nodeTLS = certificates
	r.loops.Go(func() { refreshEvery(r.running, followEvery, certificates.refresh) })
}

// Describe names no metric, so that those are collected that there are.
func (r *rim) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters, once there is a node to measure.
func (r *rim) Collect(out chan<- prometheus.Metric) {
	if m := r.measured.Load(); m != nil {
		m.collect(out)
	}
}

// observe lets metrics, probes and health tell about m from now on.
func (r *rim) observe(m *measured) {
	r.measured.Store(m)
	m.server.SetReady(m.service.Serving())
	r.loops.Go(func() { followReady(r.running, m.service, m.server) })
}

// notReady says why the node should not be asked, "" = it should.
func (r *rim) notReady() string {
	m := r.measured.Load()
	switch {
	case m == nil:
		return "the node is starting"
	case r.draining.Load():
		return "the node is stopping"
	case !m.service.Ready():
		return "the node is catching up"
	case !m.service.Serving():
		return "the node has not heard of a leader for too long"
	}
	return ""
}

// guard completes a server's configuration.
func (r *rim) guard(c native.Config) native.Config {
	c.TLS, c.Keys, c.Meter, c.Tracer = r.access.tlsConfig(), r.access.admits(), r.meter, r.tracer
	return c
}

// part traces the parts of requests below the front door.
func (r *rim) part(node *cluster.Node) authz.Part {
	if r.tracer == nil {
		return nil
	}
	return func(ctx context.Context, name string) (context.Context, func(error)) {
		if !r.tracer.Traces(ctx) {
			return ctx, func(error) {}
		}
		if name == "propose" && node.Status().State != "Leader" {
			name = "forward" // to the leader, with the answer
		}
		ctx, span := r.tracer.Part(ctx, name)
		return ctx, func(err error) {
			if err != nil {
				span.Failed("")
			}
			span.End()
		}
	}
}

// healthEvery is how often a server's health is brought up to date.
const healthEvery = 100 * time.Millisecond

// followReady lets the server's health say whether the node answers, until ctx
// ends. A server that shuts down says so by itself.
func followReady(ctx context.Context, service *authz.Service, server *native.Server) {
	was := false
	refreshEvery(ctx, healthEvery, func() {
		if is := service.Serving(); is != was {
			server.SetReady(is)
			was = is
		}
	})
}

// close ends r and sends the traces that are left.
func (r *rim) close() {
	r.measured.Store(nil)
	r.stop()
	r.loops.Wait()
	if r.admin != nil {
		r.admin.close()
	}
	if r.flush != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := r.flush(ctx); err != nil {
			r.log.Warn("the last traces were not sent", "err", err)
		}
	}
}
