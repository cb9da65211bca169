package client

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/pemba-authz/pemba/internal/testserver"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// awaitReady waits until all connections are up.
func awaitReady(t *testing.T, c *Client) {
	t.Helper()
	await(t, func() bool {
		for _, s := range c.servers {
			if !s.ready.Load() {
				return false
			}
		}
		return true
	})
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// Readers and writers go on while one server after the other is killed and
// comes back; no read fails, and each acknowledged write is there.
func TestClient_FailsOverUnderLoad(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	var servers []*testserver.Server
	var addrs []string
	for range 3 {
		s := node.Serve(testserver.Config{})
		servers, addrs = append(servers, s), append(addrs, s.Addr)
	}
	c := dial(t, Config{Addrs: addrs, Timeout: 20 * time.Second})
	touch(t, c, "doc:a#viewer@user:ann")
	awaitReady(t, c)
	stop := make(chan struct{})
	var reads, writes atomic.Int64
	var workers sync.WaitGroup
	question := ask(t, "doc:a#view@user:ann")
	for range 8 {
		workers.Go(func() {
			for running(stop) {
				if a, err := c.Check(context.Background(), question); err != nil || !a.Allowed() {
					t.Errorf("check: %+v, %v", a, err)
				}
				reads.Add(1)
			}
		})
	}
	for w := range 2 {
		workers.Go(func() {
			for i := 0; running(stop); i++ {
				text := fmt.Sprintf("doc:w%d-%d#viewer@user:ann", w, i)
				if _, err := c.Write(context.Background(), WriteRequest{Updates: []Update{{Create, parse(t, text)}}}); err != nil {
					t.Errorf("write %s: %v", text, err)
				}
				writes.Add(1)
			}
		})
	}
	for i := range 6 {
		before, beforeWrites := reads.Load(), writes.Load()
		servers[i%3].Kill()
		await(t, func() bool { return reads.Load() > before+100 && writes.Load() > beforeWrites+10 })
		servers[i%3] = node.ServeOn(addrs[i%3], testserver.Config{})
		await(t, func() bool { return c.servers[i%3].rank() == healthy })
	}
	close(stop)
	workers.Wait()
	n := int64(0)
	for _, err := range c.ReadTuples(t.Context(), ReadRequest{Filter: filter(t, "doc#viewer@user:ann"), Consistency: Latest()}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != writes.Load()+1 {
		t.Errorf("%d tuples are there after %d acknowledged writes", n, writes.Load())
	}
}

func running(stop chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

func TestCheck_AsksAnotherServerWhenOneHangs(t *testing.T) {
	var asked atomic.Int64
	hang := &fake{check: func(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
		asked.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	good := &fake{check: allow}
	c := dial(t, Config{Addrs: []string{hang.serve(t), good.serve(t)}, HedgeAfter: 20 * time.Millisecond}).startAt(0)
	awaitReady(t, c)
	const calls = 100
	for range calls {
		if a, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann")); err != nil || !a.Allowed() {
			t.Fatalf("got %+v, %v", a, err)
		}
	}
	if n := asked.Load(); n < tooSlow || n >= calls/2 {
		t.Errorf("the server that hangs was asked %d times of %d", n, calls)
	}
}

func TestCheck_ManyCallsLeaveAServerThatHangs(t *testing.T) {
	hang := &fake{check: func(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	good := &fake{check: allow}
	c := dial(t, Config{Addrs: []string{hang.serve(t), good.serve(t)}, HedgeAfter: 20 * time.Millisecond}).startAt(0)
	awaitReady(t, c)
	var workers sync.WaitGroup
	for range 10 * maxHedging {
		workers.Go(func() {
			if _, err := c.Check(within(t, 10*time.Second), ask(t, "doc:a#view@user:ann")); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
}

func TestCheck_LeavesAServerThatIsNotReady(t *testing.T) {
	var asked atomic.Int64
	stale := &fake{check: func(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error) {
		asked.Add(1)
		return nil, refuse(codes.Unavailable, "STALE", "try another node")
	}}
	c := dial(t, Config{Addrs: []string{stale.serve(t), (&fake{check: allow}).serve(t)}}).startAt(0)
	awaitReady(t, c)
	for range 50 {
		if a, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil || !a.Allowed() {
			t.Fatalf("got %+v, %v", a, err)
		}
	}
	if n := asked.Load(); n == 0 || n > 20 { // it may be asked again when its probe succeeds
		t.Errorf("it was asked %d times of 50", n)
	}
}

func TestClient_ComesBackWhenHealthSaysSo(t *testing.T) {
	node := testserver.Open(t)
	a, b := node.Serve(testserver.Config{}), node.Serve(testserver.Config{})
	c := dial(t, Config{Addrs: []string{a.Addr, b.Addr}}).startAt(0)
	awaitReady(t, c)
	a.SetReady(false)
	c.suspect(c.servers[0])
	if s := c.pick(0, 0); s != c.servers[1] {
		t.Errorf("%s is picked", s.addr)
	}
	a.SetReady(true)
	await(t, func() bool { return c.pick(0, 0) == c.servers[0] })
}

func TestClient_SpreadAsksAllServers(t *testing.T) {
	var asked [3]atomic.Int64
	var addrs []string
	for i := range asked {
		f := &fake{check: func(ctx context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
			asked[i].Add(1)
			return allow(ctx, r)
		}}
		addrs = append(addrs, f.serve(t))
	}
	c := dial(t, Config{Addrs: addrs, Spread: true})
	awaitReady(t, c)
	for range 30 {
		if _, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range asked {
		if n := asked[i].Load(); n != 10 {
			t.Errorf("server %d was asked %d times of 30", i, n)
		}
	}
}
