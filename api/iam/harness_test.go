package iam

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
)

// audience is the one that the vendor's SDKs make their assertions out to.
const audience = "https://iam.api.cloud.yandex.net/iam/v1/tokens"

// A site is a node with everything on its listener, its first organization, and
// clients that call as the owner.
type site struct {
	*core.Founded
	iam  *core.Service
	key  *credential.KeyFile // the owner's
	conn *grpc.ClientConn

	endpoints endpoint.ApiEndpointServiceClient
	ops       operation.OperationServiceClient
	tokens    iamv1.IamTokenServiceClient
	accounts  iamv1.ServiceAccountServiceClient
	keys      iamv1.KeyServiceClient
	roles     iamv1.RoleServiceClient
	analyzer  iamv1.AccessAnalyzerServiceClient
	users     iamv1.UserAccountServiceClient
	logins    iamv1.YandexPassportUserAccountServiceClient
	clouds    resv1.CloudServiceClient
	folders   resv1.FolderServiceClient
	orgs      orgv1.OrganizationServiceClient
	groups    orgv1.GroupServiceClient
	members   orgv1.UserServiceClient

	ctx   context.Context   // calls as the owner
	known map[string]string // by kind the resource that was registered
}

// here is the address that the site says it has.
const here = "pemba.example:443"

// sharedKey makes RSA keys, which take long, only once.
var sharedKey = sync.OnceValues(func() (private string, public string) {
	private, public, err := credential.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return private, public
})

// open starts a site that ends with the test.
func open(t *testing.T) *site {
	t.Helper()
	s := unfounded(t)
	private, public := sharedKey()
	founded, err := s.iam.Found(deadline(t), authz.Caller{Name: "test"}, core.FoundRequest{PublicPEM: public})
	if err != nil {
		t.Fatal(err)
	}
	s.Founded, s.key = founded, keyFile(founded.KeyID, founded.AccountID, private)
	s.ctx = s.as(t, s.token(t, s.key))
	return s
}

// unfounded starts a site without an organization.
func unfounded(t *testing.T) *site {
	t.Helper()
	node, err := cluster.Open(deadline(t), cluster.Config{DataDir: t.TempDir(), Logger: discard})
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
	engine := authz.New(node, checker, authz.Options{})
	layer := core.New(core.Config{Service: engine, Master: credential.NewMasterKey(), Log: discard})
	s := &site{iam: layer, known: map[string]string{}}
	s.dial(t, serve(t, engine, layer))
	return s
}

func keyFile(id, account, private string) *credential.KeyFile {
	return &credential.KeyFile{ID: id, ServiceAccountID: account, PrivateKey: private, KeyAlgorithm: "RSA_2048"}
}

// serve runs a server that asks for a key wherever callers do not authenticate
// themselves, and returns its address.
func serve(t *testing.T, engine *authz.Service, layer *core.Service) string {
	t.Helper()
	config := native.Config{Service: engine, Log: slog.New(slog.DiscardHandler), Keys: func(string) (string, bool) { return "", false }}
	for _, m := range Vendor(Config{Service: layer, Address: here, Log: discard}) {
		config.More = append(config.More, native.MoreService{Desc: m.Desc, Impl: m.Impl, SelfAuthenticating: m.SelfAuthenticating, MaxRequestBytes: m.MaxRequestBytes})
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
	server.SetReady(true)
	return listener.Addr().String()
}

func (s *site) dial(t *testing.T, addr string) {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.conn = conn
	s.endpoints, s.ops = endpoint.NewApiEndpointServiceClient(conn), operation.NewOperationServiceClient(conn)
	s.tokens, s.accounts, s.keys = iamv1.NewIamTokenServiceClient(conn), iamv1.NewServiceAccountServiceClient(conn), iamv1.NewKeyServiceClient(conn)
	s.roles, s.analyzer = iamv1.NewRoleServiceClient(conn), iamv1.NewAccessAnalyzerServiceClient(conn)
	s.users, s.logins = iamv1.NewUserAccountServiceClient(conn), iamv1.NewYandexPassportUserAccountServiceClient(conn)
	s.clouds, s.folders = resv1.NewCloudServiceClient(conn), resv1.NewFolderServiceClient(conn)
	s.orgs, s.groups, s.members = orgv1.NewOrganizationServiceClient(conn), orgv1.NewGroupServiceClient(conn), orgv1.NewUserServiceClient(conn)
}

// token exchanges an authorized key for an IAM token.
func (s *site) token(t *testing.T, key *credential.KeyFile) string {
	t.Helper()
	jwt, err := key.Assertion(time.Now(), audience)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.tokens.Create(deadline(t), &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: jwt}})
	if err != nil {
		t.Fatal(err)
	}
	return got.GetIamToken()
}

// as returns a context of calls with a token, for the length of a test.
func (s *site) as(t *testing.T, token string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer "+token)
}

// account makes a service account in the first folder and returns its id and
// calls as it.
func (s *site) account(t *testing.T, name string) (id string, ctx context.Context) {
	t.Helper()
	op := must(s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: name}))(t)
	id = response[*iamv1.ServiceAccount](t, op).GetId()
	got := must(s.tokens.CreateForServiceAccount(s.ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}))(t)
	return id, s.as(t, got.GetIamToken())
}

// grant adds a binding to the first folder.
func (s *site) grant(t *testing.T, role, typ, id string) {
	t.Helper()
	must(s.folders.UpdateAccessBindings(s.ctx, &access.UpdateAccessBindingsRequest{
		ResourceId: s.FolderID, AccessBindingDeltas: []*access.AccessBindingDelta{added(role, typ, id)},
	}))(t)
}

func added(role, typ, id string) *access.AccessBindingDelta {
	return &access.AccessBindingDelta{Action: access.AccessBindingAction_ADD, AccessBinding: binding(role, typ, id)}
}

func binding(role, typ, id string) *access.AccessBinding {
	return &access.AccessBinding{RoleId: role, Subject: &access.Subject{Type: typ, Id: id}}
}

// must fails the test unless a call has succeeded.
func must[A any](answer A, err error) func(t *testing.T) A {
	return func(t *testing.T) A {
		t.Helper()
		if err != nil {
			t.Fatal(err, status.Convert(err).Details())
		}
		return answer
	}
}

// response returns what an operation was answered with.
func response[A proto.Message](t *testing.T, op *operation.Operation) A {
	t.Helper()
	return unpacked[A](t, op, op.GetResponse())
}

// meta returns what an operation is described by.
func meta[A proto.Message](t *testing.T, op *operation.Operation) A {
	t.Helper()
	return unpacked[A](t, op, op.GetMetadata())
}

func unpacked[A proto.Message](t *testing.T, op *operation.Operation, packed interface {
	UnmarshalNew() (proto.Message, error)
}) A {
	t.Helper()
	m, err := packed.UnmarshalNew()
	if err != nil {
		t.Fatalf("%v: %v", op, err)
	}
	is, ok := m.(A)
	if !ok || !op.GetDone() || op.GetId() == "" || op.GetCreatedAt() == nil || op.GetDescription() == "" || op.GetCreatedBy() == "" {
		t.Fatalf("got %T of %v", m, op)
	}
	return is
}

// refused fails the test unless a call has failed in a way, as "CODE REASON".
func refused(t *testing.T, err error, want string) {
	t.Helper()
	st := status.Convert(err)
	got := st.Code().String()
	if info := detail[*errdetails.ErrorInfo](st); info != nil {
		got += " " + info.GetReason()
	}
	if got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if detail[*errdetails.RequestInfo](st).GetRequestId() == "" {
		t.Errorf("%v does not name its request", st)
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}
