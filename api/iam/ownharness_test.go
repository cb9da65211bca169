package iam

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// serviceKey is the one key that an ownSite's server knows.
const serviceKey = "key-of-the-shop"

// An ownSite is a site that also serves pemba.iam.v1.
type ownSite struct {
	*site
	admin  pb.AdminServiceClient
	access pb.AccessServiceClient
	setup  pb.SetupServiceClient

	service context.Context // calls as a service that has a key
}

// openOwn starts an ownSite that ends with the test.
func openOwn(t *testing.T) *ownSite {
	t.Helper()
	engine := newEngine(t)
	layer := core.New(core.Config{Service: engine, Master: credential.NewMasterKey(), Log: discard})
	c := Config{Service: layer, Address: here, Log: discard}
	s := dialOwn(t, serveOwn(t, engine, append(Vendor(c), Own(c)...)))
	private, public := sharedKey()
	made, err := s.setup.Initialize(s.service, &pb.InitializeRequest{PublicKey: public})
	if err != nil {
		t.Fatal(err)
	}
	s.Founded = &core.Founded{OrganizationID: made.GetOrganizationId(), CloudID: made.GetCloudId(), FolderID: made.GetFolderId(),
		AccountID: made.GetServiceAccountId(), KeyID: made.GetKeyId(), Token: made.GetToken()}
	s.iam, s.key = layer, keyFile(s.KeyID, s.AccountID, private)
	s.ctx = s.as(t, s.token(t, s.key))
	return s
}

// newEngine opens a node of its own.
func newEngine(t testing.TB) *authz.Service {
	t.Helper()
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	return authz.New(node, checker, authz.Options{})
}

// serveOwn runs a server that knows serviceKey, and returns its address.
func serveOwn(t testing.TB, engine *authz.Service, mounted []Mounted) string {
	t.Helper()
	config := native.Config{Service: engine, Log: slog.New(slog.DiscardHandler), Keys: func(key string) (string, bool) { return "shop", key == serviceKey }}
	for _, m := range mounted {
		config.More = append(config.More, native.MoreService{Desc: m.Desc, Impl: m.Impl, SelfAuthenticating: m.SelfAuthenticating, Question: m.Question, MaxRequestBytes: m.MaxRequestBytes})
	}
	server := native.New(config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ended)
		<-served
	})
	return listener.Addr().String()
}

func dialOwn(t *testing.T, addr string) *ownSite {
	t.Helper()
	s := &ownSite{site: &site{}}
	s.dial(t, addr)
	s.admin, s.access, s.setup = pb.NewAdminServiceClient(s.conn), pb.NewAccessServiceClient(s.conn), pb.NewSetupServiceClient(s.conn)
	s.service = metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer "+serviceKey)
	return s
}

func (s *ownSite) folder() *pb.Resource {
	return &pb.Resource{Kind: core.FolderKind, Id: s.FolderID}
}

func (s *ownSite) organization() *pb.Resource {
	return &pb.Resource{Kind: core.OrganizationKind, Id: s.OrganizationID}
}

// methods yields the full names of a service's methods.
func methods(desc grpc.ServiceDesc) []string {
	var names []string
	for _, m := range desc.Methods {
		names = append(names, "/"+desc.ServiceName+"/"+m.MethodName)
	}
	return names
}
