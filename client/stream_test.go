package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/internal/testserver"
)

func TestCheckStream_EachAskerGetsItsOwnAnswer(t *testing.T) {
	c := open(t, Config{ReadYourWrites: true})
	var texts []string
	for i := range 100 {
		if i%2 == 0 {
			texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:ann", i))
		}
	}
	touch(t, c, texts...)
	s := c.CheckStream()
	defer s.Close()
	var workers sync.WaitGroup
	for i := range 100 {
		workers.Go(func() {
			a, err := s.Check(within(t, 20*time.Second), ask(t, fmt.Sprintf("doc:%d#view@user:ann", i)))
			if err != nil || a.Allowed() != (i%2 == 0) {
				t.Errorf("doc %d: %+v, %v", i, a, err)
			}
		})
	}
	workers.Wait()
	if _, err := s.Check(t.Context(), ask(t, "dok:a#view@user:ann")); reasonOf(err) != "UNKNOWN_TYPE" {
		t.Errorf("got %v", err)
	}
}

func TestCheckStream_GoesOnElsewhere(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	var servers []*testserver.Server
	var addrs []string
	for range 3 {
		s := node.Serve(testserver.Config{})
		servers, addrs = append(servers, s), append(addrs, s.Addr)
	}
	c := dial(t, Config{Addrs: addrs, Timeout: 20 * time.Second}).startAt(0)
	touch(t, c, "doc:a#viewer@user:ann")
	s := c.CheckStream()
	defer s.Close()
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for range 100 {
				if a, err := s.Check(context.Background(), ask(t, "doc:a#view@user:ann")); err != nil || !a.Allowed() {
					t.Errorf("got %+v, %v", a, err)
				}
			}
		})
	}
	servers[0].Kill()
	servers[1].Kill()
	workers.Wait()
}

func TestCheckStream_LeavesAServerThatHangs(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	c := dial(t, Config{Addrs: []string{stall(t), node.Serve(testserver.Config{}).Addr}, Timeout: time.Second}).startAt(0)
	s := c.CheckStream()
	defer s.Close()
	if _, err := s.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestCheckStream_CloseEndsIt(t *testing.T) {
	c := open(t, Config{})
	s := c.CheckStream()
	if _, err := s.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if _, err := s.Check(t.Context(), ask(t, "doc:a#view@user:ann")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
