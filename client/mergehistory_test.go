package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/internal/testserver"
)

// A random history: callers write, ask for what they have written and for what
// nobody has, at every consistency, leave at random, and are always answered
// their own question, by what they have written before.
func TestMerge_RandomHistory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	node := testserver.Open(t)
	node.WriteSchema(schema)
	servers := []*testserver.Server{node.Serve(testserver.Config{}), node.Serve(testserver.Config{})}
	c := dial(t, Config{Addrs: []string{servers[0].Addr, servers[1].Addr}, ReadYourWrites: true, Spread: true, Timeout: 30 * time.Second})
	awaitReady(t, c)
	touch(t, c, "doc:z#viewer@user:ann")
	var workers sync.WaitGroup
	for w := range 24 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		workers.Go(func() {
			there := map[int]bool{}
			token := ""
			for range 60 {
				i := rng.IntN(4)
				doc := fmt.Sprintf("doc:%d-%d", w, i)
				if rng.IntN(8) == 0 {
					op := Touch
					if there[i] {
						op = Delete
					}
					var err error
					token, err = c.Write(context.Background(), WriteRequest{Updates: []Update{{op, parse(t, doc+"#viewer@user:ann")}}})
					if err != nil {
						t.Errorf("write: %v", err)
						return
					}
					there[i] = op == Touch
				}
				checkHistory(t, rng, c, doc, there[i], token)
			}
		})
	}
	workers.Wait()
	if c.frames() == 0 {
		t.Error("no frame was sent")
	}
}

func checkHistory(t *testing.T, rng *rand.Rand, c *Client, doc string, there bool, token string) {
	r := ask(t, doc+"#view@user:ann")
	want := Denied
	if there {
		want = Allowed
	}
	switch rng.IntN(5) {
	case 0:
		r.Consistency = Latest()
	case 1:
		if token != "" {
			r.Consistency = AtLeast(token)
		}
	case 2:
		r.Object.ID, want = "z", Allowed
	case 3:
		r.Subject.ID, want = "bob", Denied
	}
	ctx := context.Background()
	if rng.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	a, err := c.Check(ctx, r)
	switch {
	case err == nil && a.Decision != want:
		t.Errorf("%s#%s@%s at %v: %v, want %v", r.Object, r.Permission, r.Subject, r.Consistency, a.Decision, want)
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("%v", err)
	}
}
