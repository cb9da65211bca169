package native

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/pemba-authz/pemba/authz"
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

	// MaxRequestBytes bounds one request message; larger ones get
	// RESOURCE_EXHAUSTED. Default 4 MiB.
	MaxRequestBytes int

	// MaxStreams bounds the requests that one connection has under way; more
	// wait in the client. Default 1,024.
	MaxStreams int

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
		c.MaxRequestBytes = 4 << 20
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = 1024
	}
	if c.MaxWait <= 0 {
		c.MaxWait = 30 * time.Second
	}
	return c
}
