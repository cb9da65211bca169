package client

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/pemba-authz/pemba/proto/codec"
)

// Config says where the servers are and how to talk to them. A zero field means
// its default.
type Config struct {
	// Addrs are HOST:PORT of servers of one cluster, up to 64. One is enough;
	// with more, calls go on when a server does not. Calls start at the same one,
	// which is chosen by chance, for as long as it answers. Required.
	Addrs []string

	// Key is the client's key, as "pemba key new" prints it. "" = none.
	Key string

	// TLS secures the connections. nil = plaintext.
	TLS *tls.Config

	// Insecure lets the key go to an address off loopback in plaintext.
	Insecure bool

	// Tenant is meant where a request names none. "" = "default".
	Tenant string

	// Timeout bounds a call whose context has no deadline, and the silence in a
	// list. Default 5 s.
	Timeout time.Duration

	// HedgeAfter is how long a read waits before another server is asked, too;
	// the first answer counts. Default 250 ms, negative = never.
	HedgeAfter time.Duration

	// Spread sends reads to all servers in turn, rather than to one as long as it
	// answers. Answers with consistency any may then go back in time.
	Spread bool

	// ReadYourWrites lets reads that ask for no consistency see at least what
	// this Client has written before to the same tenant.
	ReadYourWrites bool

	// Merge says whether checks that are under way at the same time share
	// messages, which costs a fraction of sending each by itself.
	Merge Merging

	// DialOptions are added to those of every connection: interceptors, statistics.
	DialOptions []grpc.DialOption
}

const (
	maxServers      = 64       // bits of a mask
	maxReplyBytes   = 16 << 20 // of one message
	connectTimeout  = 20 * time.Second
	reconnectPause  = time.Second      // the longest between two attempts to connect
	keepaliveTime   = 20 * time.Second // a connection without traffic is probed after this; servers take more than 10 s
	keepaliveAnswer = 5 * time.Second
)

// withDefaults returns c with every field set, or says what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.HedgeAfter == 0 {
		c.HedgeAfter = 250 * time.Millisecond
	}
	if len(c.Addrs) == 0 || len(c.Addrs) > maxServers {
		return c, fmt.Errorf("config: %d addresses, want 1 to %d", len(c.Addrs), maxServers)
	}
	for _, addr := range c.Addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || port == "" {
			return c, fmt.Errorf("config: address %q: it is written HOST:PORT, as 127.0.0.1:50051", addr)
		}
		if c.Key != "" && c.TLS == nil && !c.Insecure && !isLoopback(host) {
			return c, fmt.Errorf("config: address %s: the key is not sent in plaintext off loopback; set TLS, or Insecure to allow it", addr)
		}
	}
	if c.Timeout < 0 {
		return c, fmt.Errorf("config: timeout %v is negative", c.Timeout)
	}
	return c, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) dialOptions() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if c.TLS != nil {
		transport = credentials.NewTLS(c.TLS)
	}
	pause := backoff.DefaultConfig
	pause.BaseDelay, pause.MaxDelay = 100*time.Millisecond, reconnectPause
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // this package knows better what may be repeated
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pause, MinConnectTimeout: connectTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveAnswer}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReplyBytes), grpc.ForceCodecV2(codec.Codec{})),
		grpc.WithIdleTimeout(0), // a connection that is there costs less than one that is not
	}, c.DialOptions...)
}
