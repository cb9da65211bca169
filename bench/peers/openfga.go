package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	fga "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// openFGA is a server that speaks openfga.v1. Each installation is a store of its
// own.
type openFGA struct {
	conns        []*grpc.ClientConn
	level        fga.ConsistencyPreference
	store, model string // "" = none installed
}

func openOpenFGA(addr, token string, connections int, c consistency) (*openFGA, error) {
	conns, err := dial(addr, token, connections)
	s := &openFGA{conns: conns, level: fga.ConsistencyPreference_MINIMIZE_LATENCY}
	if c == full {
		s.level = fga.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	return s, err
}

func (s *openFGA) install(ctx context.Context, p *bench.Population) (time.Duration, error) {
	if err := s.remove(ctx); err != nil {
		return 0, err
	}
	source, err := p.Schema()
	if err != nil {
		return 0, err
	}
	schema, err := graph.Parse(source)
	if err != nil {
		return 0, err
	}
	types, err := modelOf(schema)
	if err != nil {
		return 0, fmt.Errorf("translate the schema: %w", err)
	}
	client := fga.NewOpenFGAServiceClient(s.conns[0])
	store, err := client.CreateStore(ctx, &fga.CreateStoreRequest{Name: "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36)})
	if err != nil {
		return 0, fmt.Errorf("create a store: %w", err)
	}
	s.store = store.GetId()
	model, err := client.WriteAuthorizationModel(ctx, &fga.WriteAuthorizationModelRequest{
		StoreId: s.store, SchemaVersion: "1.1", TypeDefinitions: types,
	})
	if err != nil {
		return 0, fmt.Errorf("write the model: %w", err)
	}
	s.model = model.GetAuthorizationModelId()
	start := time.Now()
	if err := s.load(ctx, p); err != nil {
		return 0, fmt.Errorf("write the tuples: %w", err)
	}
	return time.Since(start), nil
}

// A server of this API takes at most 100 tuples a write unless told otherwise,
// and has no import, so that several writes at a time are the quickest way.
const (
	fgaBatch   = 100
	fgaWriters = 16
)

func (s *openFGA) load(ctx context.Context, p *bench.Population) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan []tuple.Tuple)
	var wg sync.WaitGroup
	for i := range fgaWriters {
		client := s.client(s.conns[i%len(s.conns)])
		wg.Go(func() {
			for batch := range work {
				if err := client.Write(batch, nil)(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for batch := range batches(p.Tuples(), fgaBatch) {
		if ctx.Err() != nil {
			break
		}
		work <- slices.Clone(batch)
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

func (s *openFGA) remove(ctx context.Context) error {
	if s.store == "" {
		return nil
	}
	_, err := fga.NewOpenFGAServiceClient(s.conns[0]).DeleteStore(ctx, &fga.DeleteStoreRequest{StoreId: s.store})
	if err != nil {
		return fmt.Errorf("delete store %s: %w", s.store, err)
	}
	s.store, s.model = "", ""
	return nil
}

func (s *openFGA) close() { closeAll(s.conns) }

func (s *openFGA) client(conn *grpc.ClientConn) *fgaClient {
	return &fgaClient{s, fga.NewOpenFGAServiceClient(conn)}
}

func (s *openFGA) clients() []bench.Client {
	var all []bench.Client
	for _, conn := range s.conns {
		all = append(all, s.client(conn))
	}
	return all
}
