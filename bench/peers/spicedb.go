package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// spiceDB is a server that speaks authzed.api.v1. Such a server has one schema
// and one set of tuples, which an installation replaces.
type spiceDB struct {
	conns   []*grpc.ClientConn
	level   consistency
	replace bool // what the server holds already
	ours    bool // its schema is of this program
	fresh   *v1.ZedToken
	types   []string // installed
}

func openSpiceDB(addr, token string, connections int, c consistency, replace bool) (*spiceDB, error) {
	conns, err := dial(addr, token, connections)
	return &spiceDB{conns: conns, level: c, replace: replace}, err
}

var errHasSchema = errors.New("the server has a schema already; --replace lets this program delete it and all tuples of its types")

func (s *spiceDB) install(ctx context.Context, p *bench.Population) (time.Duration, error) {
	source, err := p.Schema()
	if err != nil {
		return 0, err
	}
	if err := s.clear(ctx); err != nil {
		return 0, err
	}
	schema, err := graph.Parse(source)
	if err != nil {
		return 0, err
	}
	if _, err := v1.NewSchemaServiceClient(s.conns[0]).WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: source}); err != nil {
		return 0, fmt.Errorf("write the schema: %w", err)
	}
	s.ours, s.types = true, storing(schema)
	start := time.Now()
	if err := s.load(ctx, p); err != nil {
		return 0, fmt.Errorf("import the tuples: %w", err)
	}
	took := time.Since(start)
	return took, s.refresh(ctx, p)
}

// clear deletes the tuples of the types that the server knows.
func (s *spiceDB) clear(ctx context.Context) error {
	known, err := v1.NewSchemaServiceClient(s.conns[0]).ReadSchema(ctx, &v1.ReadSchemaRequest{})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("read the schema: %w", err)
	case known.GetSchemaText() == "":
		return nil
	case !s.replace && !s.ours:
		return errHasSchema
	}
	schema, err := graph.Parse(known.GetSchemaText())
	if err != nil {
		return fmt.Errorf("read the server's schema: %w", err)
	}
	s.types = storing(schema)
	return s.remove(ctx)
}

// storing are the types that tuples can be about.
func storing(schema *graph.Schema) (types []string) {
	for _, d := range schema.Definitions {
		if slices.ContainsFunc(d.Relations, func(r *graph.Relation) bool { return !r.IsPermission() }) {
			types = append(types, d.Name)
		}
	}
	return types
}

// remove deletes the tuples, piece by piece. The schema stays: a server may
// refuse an empty one.
func (s *spiceDB) remove(ctx context.Context) error {
	client := v1.NewPermissionsServiceClient(s.conns[0])
	for _, typ := range s.types {
		for more := true; more; {
			answer, err := client.DeleteRelationships(ctx, &v1.DeleteRelationshipsRequest{
				RelationshipFilter: &v1.RelationshipFilter{ResourceType: typ},
				OptionalLimit:      1000, OptionalAllowPartialDeletions: true,
			})
			if err != nil {
				return fmt.Errorf("delete the tuples of %s: %w", typ, err)
			}
			more = answer.GetDeletionProgress() == v1.DeleteRelationshipsResponse_DELETION_PROGRESS_PARTIAL
		}
	}
	s.types = nil
	return nil
}

// refresh takes a token that is as new as the import: without one, a server may
// for some seconds answer from before it.
func (s *spiceDB) refresh(ctx context.Context, p *bench.Population) error {
	scratch := []tuple.Tuple{p.Scratch("bench-fresh", "bench-fresh")}
	client := v1.NewPermissionsServiceClient(s.conns[0])
	for _, updates := range [][]*v1.RelationshipUpdate{spiceUpdates(scratch, nil), spiceUpdates(nil, scratch)} {
		answer, err := client.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: updates})
		if err != nil {
			return fmt.Errorf("write a tuple: %w", err)
		}
		s.fresh = answer.GetWrittenAt()
	}
	return nil
}

func (s *spiceDB) close() { closeAll(s.conns) }

func (s *spiceDB) clients() []bench.Client {
	var all []bench.Client
	for _, conn := range s.conns {
		all = append(all, &spiceClient{s, v1.NewPermissionsServiceClient(conn), s.consistency()})
	}
	return all
}

// consistency is the level of all questions. A server takes the newest revision
// that it would choose for minimal latency, unless that is older than the import.
func (s *spiceDB) consistency() *v1.Consistency {
	if s.level == full {
		return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
	}
	return &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: s.fresh}}
}
