package native

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
)

// Config says what a Server serves and how much it takes. The zero value of a
// limit is its default.
type Config struct {
	// Service answers. Required.
	Service *authz.Service

	// Version is shown by ClusterService.Status.
	Version string

	// Log takes what a client must not see: panics and internal errors.
	// nil = slog.Default().
	Log *slog.Logger

	// TLS secures connections; nil = plaintext. Whether plaintext is fit for an
	// address is the caller's decision.
	TLS *tls.Config

	// Keys admits callers. nil = everybody who can connect; whether that is fit
	// for an address is the caller's decision. Health and
	// ClusterService.Discover need no key.
	Keys Keys

	// More are further services, of other front doors. The guard stands around
	// their methods as it does around ours.
	More []MoreService

	// Meter counts requests; nil = nobody does.
	Meter *telemetry.Meter

	// Tracer traces requests; nil = nobody does.
	Tracer *telemetry.Tracer

	// MaxRequestBytes bounds one request message; larger ones are refused by
	// gRPC unread, with RESOURCE_EXHAUSTED. It leaves room above what the fields
	// may hold, so that most of what is too large is refused by the field's
	// name. Default 16 MiB.
	MaxRequestBytes int

	// MaxBytes bounds the bytes of the large requests under way, of more than 4 KiB
	// each, as they are on the wire: once for questions, once for all others. A call
	// above it gets RESOURCE_EXHAUSTED; a stream waits for up to MaxStall first. In
	// memory a write takes some ten times its bytes. Default 64 MiB.
	MaxBytes int

	// MaxStreams bounds the requests that one connection has under way; more
	// wait in the client. Default 1,024.
	MaxStreams int

	// MaxReads bounds the reads, exports, lists, expansions, explanations and
	// deletions under way; more get RESOURCE_EXHAUSTED. Each keeps the view that it
	// reads in memory. Default 64.
	MaxReads int

	// MaxWatches bounds the watches, imports and streams of checks under way; more
	// get RESOURCE_EXHAUSTED. Default 4,096.
	MaxWatches int

	// MaxStall bounds how long a stream waits for its client to take one message
	// before it is cut off. Default 30 s.
	MaxStall time.Duration

	// Heartbeat is the time after which a watch without changes tells its token.
	// Default 5 s.
	Heartbeat time.Duration

	// MaxWait bounds a request that came without a deadline, where it waits for
	// other nodes or the disk. Default 30 s.
	MaxWait time.Duration
}

// withDefaults returns c with every limit set.
func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxRequestBytes <= 0 {
		c.MaxRequestBytes = 16 << 20
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = 1024
	}
	if c.MaxReads <= 0 {
		c.MaxReads = 64
	}
	if c.MaxWatches <= 0 {
		c.MaxWatches = 4096
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = 5 * time.Second
	}
	if c.MaxStall <= 0 {
		c.MaxStall = 30 * time.Second
	}
	if c.MaxWait <= 0 {
		c.MaxWait = 30 * time.Second
	}
	return c
}
