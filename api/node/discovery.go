package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/cluster"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Discovery is cluster.Discovery over pemba.v1.ClusterService on client ports.
type Discovery struct{ options []grpc.DialOption }

// NewDiscovery returns a Discovery that dials with options: how client ports
// are secured, and what key they ask for.
func NewDiscovery(options ...grpc.DialOption) *Discovery { return &Discovery{options} }

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
	var mu sync.Mutex
	var found []cluster.Sighting
	var errs []error
	var wg sync.WaitGroup
	for _, ip := range ips {
		wg.Go(func() {
			s, err := d.ask(ctx, net.JoinHostPort(ip, port), addr)
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

// ask asks the node at one address of a name, under which its certificate is
// checked.
func (d *Discovery) ask(ctx context.Context, at, name string) (cluster.Sighting, error) {
	options := append([]grpc.DialOption{grpc.WithAuthority(name)}, d.options...)
	c, err := grpc.NewClient("passthrough:///"+at, options...)
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
