package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// defaultAdmin is where the admin listener is when no flag says so.
const defaultAdmin = "127.0.0.1:9464"

// An admin is the listener for those who operate the node: metrics, profiles,
// probes. It speaks plain HTTP.
type admin struct {
	listener net.Listener
	server   *http.Server
}

// listenAdmin opens the listener. It is nil if it is switched off, or if nobody
// asked for it and somebody else, as a second node on this machine, has the port.
func (o *serveOptions) listenAdmin(log *slog.Logger) (net.Listener, error) {
	if o.adminAddr == "off" || o.adminAddr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", o.adminAddr)
	if err == nil {
		return listener, nil
	}
	err = fmt.Errorf("--admin-addr: listen on %s: %w", o.adminAddr, rootCause(err))
	if !o.adminGiven {
		log.Info("no metrics are served; --admin-addr chooses another address", "err", err)
		return nil, nil
	}
	return nil, err
}

// serveAdmin begins to answer on listener. ready says why the node is not ready,
// "" = it is.
func serveAdmin(listener net.Listener, metrics prometheus.Gatherer, ready func() string, log *slog.Logger) *admin {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, Timeout: time.Minute,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := ready(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/debug/pprof/", local(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", local(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", local(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", local(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", local(pprof.Trace))
	a := &admin{listener, &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin listener has failed", "err", err)
		}
	}()
	return a
}

// addr is where a listens.
func (a *admin) addr() string { return a.listener.Addr().String() }

// close ends a; answers under way have a second to finish.
func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
}

// local lets h answer this machine only: profiles cost time and show how the
// program works. Who listens on other networks does so for metrics and probes.
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !isLoopback(host) {
			http.Error(w, "profiles are for this machine only; use a tunnel", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}
