package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/cluster"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Discovery is cluster.Discovery over pemba.v1.ClusterService on client ports.
type Discovery struct{ tls *DiscoveryTLS }

// DiscoveryTLS says how client ports are secured. What they say decides which
// cluster a fresh node becomes part of, so their certificates are verified: each
// must be of an authority in Roots, and valid for the host of the address that
// was asked for.
type DiscoveryTLS struct {
	Roots       func() (*x509.CertPool, error) // nil pool = the system's; asked each time
	Certificate func() (*tls.Certificate, error)
}

// NewDiscovery returns a Discovery that dials client ports over TLS, or in
// plaintext if secure is nil.
func NewDiscovery(secure *DiscoveryTLS) *Discovery { return &Discovery{secure} }

// credentials leave the host that a certificate is for to gRPC, which takes the
// authority's.
func (d *Discovery) credentials() (credentials.TransportCredentials, error) {
	if d.tls == nil {
		return insecure.NewCredentials(), nil
	}
	roots, err := d.tls.Roots()
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return d.tls.Certificate() },
	}), nil
}

// Discover implements cluster.Discovery. All addresses of a name are asked.
func (d *Discovery) Discover(ctx context.Context, addr string) ([]cluster.Sighting, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("ask %s who it is: %w", addr, err)
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("ask %s who it is: %w", addr, err)
	}
	secure, err := d.credentials()
	if err != nil {
		return nil, fmt.Errorf("ask %s who it is: %w", addr, err)
	}
	var mu sync.Mutex
	var found []cluster.Sighting
	var errs []error
	var wg sync.WaitGroup
	for _, ip := range ips {
		wg.Go(func() {
			s, err := askAt(ctx, net.JoinHostPort(ip, port), addr, secure)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				found = append(found, s)
			}
		})
	}
	wg.Wait()
	if len(found) > 0 {
		return found, nil
	}
	return nil, fmt.Errorf("ask %s who it is: %w", addr, errors.Join(errs...))
}

// askAt asks the node at one address of a name, under which its certificate is
// checked.
func askAt(ctx context.Context, at, name string, secure credentials.TransportCredentials) (cluster.Sighting, error) {
	c, err := grpc.NewClient("passthrough:///"+at, grpc.WithAuthority(name), grpc.WithTransportCredentials(secure.Clone()))
	if err != nil {
		return cluster.Sighting{}, err
	}
	defer c.Close()
	reply, err := pembav1.NewClusterServiceClient(c).Discover(ctx, &pembav1.DiscoverRequest{})
	if err != nil {
		return cluster.Sighting{}, fmt.Errorf("%s: %s", at, status.Convert(err).Message())
	}
	return sightingIn(reply), nil
}
