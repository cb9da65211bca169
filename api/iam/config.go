package iam

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"

	core "github.com/pemba-authz/pemba/iam"
)

// Config says what the services answer with.
type Config struct {
	// Service is the IAM layer. Required.
	Service *core.Service

	// Address is where clients reach this node, as HOST:PORT: the answer to those
	// who ask where a service of the cloud is. Required for that.
	Address string

	// Log takes what a client must not see. nil = slog.Default().
	Log *slog.Logger

	// MaxWait bounds a request that came without a deadline. Default 30 s.
	MaxWait time.Duration
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxWait <= 0 {
		c.MaxWait = 30 * time.Second
	}
	return c
}

// A Mounted service is to be registered with a server, which puts its guard
// around every method.
type Mounted struct {
	Desc *grpc.ServiceDesc
	Impl any

	// SelfAuthenticating says that callers show the service itself who they are,
	// with IAM tokens in metadata; the server's own keys are not asked for.
	SelfAuthenticating bool

	// Question says that the service only asks, at a high rate: see
	// native.MoreService.
	Question bool

	// MaxRequestBytes bounds one request message; 0 = the server's own bound.
	MaxRequestBytes int
}
