// Command peers measures pemba beside servers that speak authzed.api.v1 or
// openfga.v1: the same tuples, the same questions, and the same answers, or the
// run fails.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pemba-authz/pemba/bench"
)

// A backend is a server by its API. Its methods are called one at a time; its
// clients by many goroutines.
type backend interface {
	// install writes schema and tuples of p in place of what it wrote before, and
	// returns how long the tuples took. From then on clients see at least those.
	install(ctx context.Context, p *bench.Population) (time.Duration, error)

	// clients are one for each connection.
	clients() []bench.Client

	// remove deletes what install wrote.
	remove(ctx context.Context) error

	close()
}

// consistency is how fresh answers must be.
type consistency string

const (
	fast consistency = "fast" // pemba any, authzed minimize_latency, openfga MINIMIZE_LATENCY
	full consistency = "full" // pemba latest, authzed fully_consistent, openfga HIGHER_CONSISTENCY
)

// dial opens n connections to an address, "tls://host:port" for TLS with the
// system's authorities. A token, if any, goes with each call.
func dial(addr, token string, n int) ([]*grpc.ClientConn, error) {
	name, secure := strings.CutPrefix(addr, "tls://")
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if secure {
		options[0] = grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	var conns []*grpc.ClientConn
	for range n {
		conn, err := grpc.NewClient("passthrough:///"+name, options...)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// bearer is a token for a server of a benchmark, which may well be without TLS.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func closeAll(conns []*grpc.ClientConn) {
	for _, c := range conns {
		c.Close()
	}
}
