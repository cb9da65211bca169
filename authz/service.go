// Package authz is the service in domain words: every front door ends here. It
// chooses the view, finds the schema in force, asks the checker, and validates
// writes before they are proposed. See DESIGN.md.
package authz

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/faulty"
	"github.com/pemba-authz/pemba/store"
)

// Options configures a Service. A zero field means its default.
type Options struct {
	// MaxStaleness bounds how long after its last contact with a leader a node
	// answers with consistency Any. Default 10 s.
	MaxStaleness time.Duration
	// Limits bound the work of one question. Zero fields are graph's defaults.
	Limits graph.Limits
	// Graphs is how many compiled schemas are kept. Default 1,024.
	Graphs int
	// Now is the node's clock, Unix nanoseconds. Default time.Now.
	Now func() int64
	// Part traces parts of the work. nil = nothing is traced.
	Part Part
}

// Service answers questions and takes writes. It is safe for concurrent use.
type Service struct {
	*core
	own string // the reserved tenant that it speaks for, "" = none; see Layer
}

// core is what a service shares with its layers.
type core struct {
	node    *cluster.Node
	checker *check.Checker
	opts    Options
	graphs  graphs
	cluster atomic.Pointer[clusterName]
	issued  [64]atomic.Pointer[issuedToken] // by tenant incarnation

	layersMu sync.RWMutex
	layers   map[string]*Layer // by tenant
}

// New returns a service over an open node. The caller closes node and checker
// after the last call has returned.
func New(node *cluster.Node, checker *check.Checker, opts Options) *Service {
	opts.MaxStaleness = cmp.Or(opts.MaxStaleness, 10*time.Second)
	opts.Graphs = cmp.Or(opts.Graphs, 1024)
	if opts.Now == nil {
		opts.Now = func() int64 { return time.Now().UnixNano() }
	}
	opts.Now = faulty.Clock(opts.Now)
	return &Service{core: &core{
		node: node, checker: checker, opts: opts,
		graphs: graphs{most: opts.Graphs},
	}}
}

// clusterName is the cluster's UUID with its digest.
type clusterName struct {
	id     string
	digest [16]byte
}

// life returns the digest of the cluster's UUID and its incarnation.
func (s *Service) life() (digest [16]byte, incarnation uint64) {
	id, incarnation := s.node.Store().Cluster()
	name := s.cluster.Load()
	if name == nil || name.id != id {
		name = &clusterName{id, clusterDigest(id)}
		s.cluster.Store(name)
	}
	return name.digest, incarnation
}

// Caller is who makes a request, for the audit trail, and whose request ids
// are told apart from others'.
type Caller struct {
	Name, Address string
}

// DefaultTenant is meant where a request names no tenant.
const DefaultTenant = cluster.DefaultTenant

// tenantName resolves and checks the tenant of a request. Names that begin
// with "_" belong to pemba's own layers and are closed to all but these.
func (s *Service) tenantName(name string) (string, error) {
	if name == "" {
		name = cmp.Or(s.own, DefaultTenant)
	}
	if name == s.own {
		return name, nil
	}
	if strings.HasPrefix(name, "_") {
		return "", &Error{Code: PermissionDenied, Reason: "RESERVED_TENANT", Field: "tenant", Value: name,
			Message: "tenants whose names begin with \"_\" are reserved", Fix: "use another tenant"}
	}
	if !store.ValidTenant(name) {
		return "", unknownTenant(name)
	}
	return name, nil
}

// Status describes the node.
type Status struct {
	cluster.Status
	LastContact time.Duration // since it last heard of a leader; 0 on the leader
}

// Member is one node of the cluster.
type Member = cluster.Member

// Status describes the node that serves this call.
func (s *Service) Status() Status {
	return Status{s.node.Status(), s.node.LastContact()}
}

// Ready reports whether the node has caught up since its start.
func (s *Service) Ready() bool { return s.node.Ready() }

// Serving reports whether the node answers with consistency Any now: it is ready
// and has heard of a leader lately.
func (s *Service) Serving() bool { return s.fresh() == nil }
