package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// impostor answers Discover like a node.
type impostor struct {
	pembav1.UnimplementedClusterServiceServer
}

func (impostor) Discover(context.Context, *pembav1.DiscoverRequest) (*pembav1.DiscoverResponse, error) {
	return &pembav1.DiscoverResponse{NodeId: "n7"}, nil
}

// What a client port says is believed only if its certificate is for the host
// that was asked, and of an authority that the node trusts.
func TestDiscovery_VerifiesCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		name  string
		of    *authority // the server's certificate
		on    string     // the name in it
		trust *authority
		found bool
	}{
		{"right", ours, "localhost", ours, true},
		{"another authority", theirs, "localhost", ours, false},
		{"the system's authorities", ours, "localhost", nil, false},
		{"another name", ours, "elsewhere", ours, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			lis := listenClients(t)
			conf := &tls.Config{Certificates: c.of.tls(c.on).Server.Certificates, ClientAuth: tls.RequireAnyClientCert}
			s := grpc.NewServer(grpc.Creds(credentials.NewTLS(conf)))
			pembav1.RegisterClusterServiceServer(s, impostor{})
			go s.Serve(lis)
			t.Cleanup(s.Stop)
			_, port, _ := net.SplitHostPort(lis.Addr().String())
			d := NewDiscovery(&DiscoveryTLS{
				Roots: func() (*x509.CertPool, error) {
					if c.trust == nil {
						return nil, nil
					}
					pool := x509.NewCertPool()
					pool.AddCert(c.trust.cert)
					return pool, nil
				},
				Certificate: func() (*tls.Certificate, error) { return &ours.tls("n1").Client.Certificates[0], nil },
			})
			found, err := d.Discover(deadline(t), net.JoinHostPort("localhost", port))
			if (err == nil && found[0].NodeID == "n7") != c.found {
				t.Errorf("found %v: %v", found, err)
			}
			if found, err := NewDiscovery(nil).Discover(deadline(t), net.JoinHostPort("localhost", port)); err == nil {
				t.Errorf("in plaintext: %v", found)
			}
		})
	}
}

func TestDiscovery_WithoutAuthoritiesAsksNobody(t *testing.T) {
	broken := errors.New("the file is gone")
	d := NewDiscovery(&DiscoveryTLS{Roots: func() (*x509.CertPool, error) { return nil, broken }})
	if _, err := d.Discover(deadline(t), "127.0.0.1:1"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
