package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A Client talks to a cluster. See the package's documentation.
type Client struct {
	config   Config
	servers  []*server
	metadata metadata.MD   // the key; nil = none
	merging  bool          // checks share messages
	start    atomic.Uint32 // index of the server to ask first
	hedging  atomic.Int32  // second attempts under way
	hedges   sync.Pool     // of *hedge
	tokens   tokens

	closed context.Context // ends when Close begins
	close  context.CancelFunc

	mu      sync.Mutex     // held while loops grows
	closing bool           // guarded by mu
	loops   sync.WaitGroup // the goroutines that tend servers
}

// Dial returns a Client. It does not wait for a server, and fails only if the
// configuration is wrong. The caller closes it.
func Dial(config Config) (*Client, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := &Client{config: config, merging: config.merges()}
	if config.Key != "" {
		c.metadata = metadata.Pairs("authorization", "Bearer "+config.Key)
	}
	c.closed, c.close = context.WithCancel(context.Background())
	options := config.dialOptions()
	for i, addr := range config.Addrs {
		conn, err := grpc.NewClient("dns:///"+addr, options...)
		if err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
		s := &server{addr: addr, bit: 1 << i, conn: conn}
		s.merger = &merger{client: c, server: s}
		c.servers = append(c.servers, s)
		c.loops.Go(func() { s.follow(c.closed) })
	}
	c.start.Store(rand.Uint32N(uint32(len(c.servers))))
	return c, nil
}

// Close ends the connections. Calls under way fail.
func (c *Client) Close() error {
	c.close()
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	for _, s := range c.servers {
		_ = s.conn.Close()
	}
	c.loops.Wait()
	return nil
}

// tenant returns the tenant that a request names.
func (c *Client) tenant(named string) string {
	if named == "" {
		return c.config.Tenant
	}
	return named
}

// outgoing adds the key to ctx.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if c.metadata == nil {
		return ctx
	}
	if _, has := metadata.FromOutgoingContext(ctx); has {
		return metadata.AppendToOutgoingContext(ctx, "authorization", c.metadata["authorization"][0])
	}
	return metadata.NewOutgoingContext(ctx, c.metadata) // shares the map
}

// first returns where a read begins.
func (c *Client) first() int {
	if c.config.Spread {
		return int(c.start.Add(1) % uint32(len(c.servers)))
	}
	return int(c.start.Load())
}

// pick returns the best server that tried, a mask of bits, does not hold: one
// that is connected and answers, else one that may, else any. nil = none is left.
func (c *Client) pick(first int, tried uint64) *server {
	var best *server
	bestRank := -1
	for i := range c.servers {
		s := c.servers[(first+i)%len(c.servers)]
		if tried&s.bit != 0 {
			continue
		}
		rank := s.rank()
		if rank == healthy {
			return s
		}
		if rank > bestRank {
			best, bestRank = s, rank
		}
	}
	return best
}

// suspect takes s out of the choice while others are better, and lets it be
// probed until it answers.
func (c *Client) suspect(s *server) {
	if len(c.servers) == 1 || !s.down.CompareAndSwap(false, true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.loops.Go(func() { s.probe(c.closed) })
	}
}

// Conn returns a connection for generated stubs, for what this package has no
// method for. A call goes to a server that answers and is not repeated.
func (c *Client) Conn() grpc.ClientConnInterface { return anyServer{c} }

type anyServer struct{ client *Client }

func (a anyServer) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return a.client.pick(a.client.first(), 0).conn.Invoke(a.client.outgoing(ctx), method, args, reply, opts...)
}

func (a anyServer) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return a.client.pick(a.client.first(), 0).conn.NewStream(a.client.outgoing(ctx), desc, method, opts...)
}

// pauses between rounds of attempts.
const firstPause, longestPause = 20 * time.Millisecond, time.Second

// sleep waits for about d and reports whether ctx and the client live on.
func (c *Client) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.closed.Done():
	}
	return false
}
