package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/pemba-authz/pemba/cluster"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// discoverable is the part of the client port that finds nodes.
type discoverable struct {
	pembav1.UnimplementedClusterServiceServer
	node *cluster.Node
}

func (d *discoverable) Discover(context.Context, *pembav1.DiscoverRequest) (*pembav1.DiscoverResponse, error) {
	s := d.node.Sight()
	return &pembav1.DiscoverResponse{
		NodeId: s.NodeID, DiskId: s.DiskID, Address: s.Addr, Stage: string(s.Stage), ClusterId: s.ClusterID,
		Expect: int32(s.Expect), Level: int32(s.Level), LeaderAddress: s.Leader, ProposerId: s.Proposer,
	}, nil
}

// a member is a node with its client port.
type member struct {
	*cluster.Node
	cfg cluster.Config
}

// listenClients opens the client port of a node that is to be.
func listenClients(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func config(t *testing.T, id string) cluster.Config {
	return cluster.Config{
		NodeID: id, DataDir: t.TempDir(), RaftAddr: "127.0.0.1:0", MinFreeDisk: -1,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// start starts a node whose clients come to l.
func start(t *testing.T, cfg cluster.Config, l net.Listener) *member {
	t.Helper()
	cfg.ClientAddr = l.Addr().String()
	cfg.Peers = New(cfg.Logger)
	cfg.Discovery = NewDiscovery(nil)
	n, err := cluster.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	s := grpc.NewServer()
	pembav1.RegisterClusterServiceServer(s, &discoverable{node: n})
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return &member{n, cfg}
}

// founded starts three nodes that found a cluster.
func founded(t *testing.T, change func(*cluster.Config)) []*member {
	t.Helper()
	ports := make([]net.Listener, 3)
	var join []string
	for i := range ports {
		ports[i] = listenClients(t)
		join = append(join, ports[i].Addr().String())
	}
	members := make([]*member, 3)
	for i := range members {
		cfg := config(t, fmt.Sprintf("n%d", i+1))
		cfg.Join, cfg.BootstrapExpect = join, 3
		if change != nil {
			change(&cfg)
		}
		members[i] = start(t, cfg, ports[i])
	}
	for _, m := range members {
		ready(t, m)
	}
	return members
}

func ready(t *testing.T, m *member) {
	t.Helper()
	if err := m.AwaitReady(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// leader returns who leads, and the others.
func leader(t *testing.T, members []*member) (*member, []*member) {
	t.Helper()
	for range 300 {
		for i, m := range members {
			if m.Status().State == "Leader" {
				return m, slices.Delete(slices.Clone(members), i, i+1)
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatal("no leader")
	return nil, nil
}

// write is the command that creates tuple i.
func write(i int) store.Command {
	return store.Command{
		Kind: store.KindWrite, Tenant: cluster.DefaultTenant, Actor: "test",
		Updates: []store.Update{{Op: store.OpTouch, Tuple: tuple.Tuple{
			Object: tuple.Object{Type: "doc", ID: fmt.Sprint(i)}, Relation: "viewer",
			Subject: tuple.Subject{Type: "user", ID: "ann"},
		}}},
	}
}

// sameState checks that all members hold the same, at what the first has.
func sameState(t *testing.T, members []*member) {
	t.Helper()
	rev, err := members[0].ReadIndex(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	for _, m := range members {
		if err := m.Wait(deadline(t), rev); err != nil {
			t.Fatal(err)
		}
		at, sum := m.Store().Hash()
		sums = append(sums, fmt.Sprintf("%d %x", at, sum))
	}
	if len(slices.Compact(sums)) != 1 {
		t.Errorf("states differ: %s", sums)
	}
}

// authority makes certificates for one test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, key, c}
}

// tls returns both sides for a node called name; allowed are the names of peers.
func (a *authority) tls(name string, allowed ...string) *cluster.NodeTLS {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	verify := func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err == nil && !slices.Contains(allowed, s.PeerCertificates[0].Subject.CommonName) {
			err = errors.New("not on the list")
		}
		return err
	}
	return &cluster.NodeTLS{
		Server: &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, VerifyConnection: verify},
		Client: &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, VerifyConnection: verify},
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
