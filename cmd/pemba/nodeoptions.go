package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/pemba-authz/pemba/api/node"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/spf13/cobra"
)

// nodeOptions say what other nodes a node has to do with.
type nodeOptions struct {
	raftAddr, advertise string
	join                []string
	joinCA              string
	expect              int
	nonvoter            bool
	insecureNodes       bool
	nodeCert, nodeKey   string
	nodeCA              string
	nodeNames           []string
}

func (o *nodeOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.raftAddr, "raft-addr", "", "where other nodes reach this one, `HOST:PORT`; without it the node stays alone")
	f.StringVar(&o.advertise, "advertise-addr", "", "the address of --raft-addr as others see it, `HOST:PORT`; best a name that stays")
	f.StringSliceVar(&o.join, "join", nil, "look for a cluster at these gRPC addresses, `HOST:PORT,...`; names are resolved anew at each try")
	f.StringVar(&o.joinCA, "join-ca", "", "`FILE` of the authorities of the certificates at those addresses, if they are secured as this node's --grpc-addr; by default the system's and those of --node-tls-ca")
	f.IntVar(&o.expect, "bootstrap-expect", 0, "with --join: so many fresh nodes found a cluster, if there is none to join")
	f.BoolVar(&o.nonvoter, "nonvoter", false, "join as a replica for reads, which has no vote")
	f.StringVar(&o.nodeCert, "node-tls-cert", "", "talk TLS with other nodes, with the certificate of this `FILE`; read again when it changes")
	f.StringVar(&o.nodeKey, "node-tls-key", "", "`FILE` of that certificate's private key")
	f.StringVar(&o.nodeCA, "node-tls-ca", "", "`FILE` of the authorities of nodes' certificates")
	f.StringSliceVar(&o.nodeNames, "node-names", nil, "the `NAMES` in certificates that other nodes may have")
	f.BoolVar(&o.insecureNodes, "insecure-nodes", false, "talk plaintext with other nodes on an address that is not loopback")
	fromEnv(cmd, "raft-addr", "advertise-addr", "join", "join-ca", "bootstrap-expect", "nonvoter", "node-tls-cert", "node-tls-key", "node-tls-ca", "node-names", "insecure-nodes")
}

// validate refuses what contradicts itself, and what is open to strangers
// without saying so by name.
func (o *nodeOptions) validate() error {
	given := 0
	for _, s := range []string{o.nodeCert, o.nodeKey, o.nodeCA, strings.Join(o.nodeNames, "")} {
		if s != "" {
			given++
		}
	}
	if o.raftAddr == "" {
		if o.advertise != "" || len(o.join) > 0 || o.joinCA != "" || o.expect > 0 || o.nonvoter || given > 0 {
			return errors.New("a node has to do with others only if it has a --raft-addr, as 127.0.0.1:7070")
		}
		return nil
	}
	host, err := o.validateAddresses()
	if err != nil {
		return err
	}
	switch {
	case given != 0 && given != 4:
		return errors.New("--node-tls-cert, --node-tls-key, --node-tls-ca and --node-names go together")
	case given == 0 && !o.insecureNodes && !isLoopback(host):
		return fmt.Errorf("--raft-addr %s: nodes talk plaintext on loopback only; give --node-tls-cert, --node-tls-key, --node-tls-ca and --node-names, "+
			"or --insecure-nodes to trust every network that reaches this address", o.raftAddr)
	}
	return nil
}

// validateAddresses refuses addresses that cannot be right, and returns the host of
// --raft-addr.
func (o *nodeOptions) validateAddresses() (host string, err error) {
	if host, _, err = net.SplitHostPort(o.raftAddr); err != nil {
		return "", fmt.Errorf("--raft-addr %q: an address is written HOST:PORT, as 127.0.0.1:7070", o.raftAddr)
	}
	if seen, _, err := net.SplitHostPort(o.advertise); o.advertise != "" && (err != nil || seen == "") {
		return "", fmt.Errorf("--advertise-addr %q: an address is written HOST:PORT, as pemba-1.example.net:7070", o.advertise)
	}
	for _, addr := range o.join {
		if at, port, err := net.SplitHostPort(addr); err != nil || at == "" || port == "" {
			return "", fmt.Errorf("--join %q: an address is written HOST:PORT, as 127.0.0.1:50051", addr)
		}
	}
	ip := net.ParseIP(host)
	switch {
	case o.advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()):
		return "", fmt.Errorf("--raft-addr %s: others cannot reach this address; --advertise-addr names one that they can", o.raftAddr)
	case o.expect > 1 && len(o.join) == 0:
		return "", fmt.Errorf("--bootstrap-expect %d needs --join with the gRPC addresses of these nodes", o.expect)
	}
	return host, nil
}

// configure completes c. Clients come to clientAddr; ports of other nodes for
// clients are as this node's, x.
func (o *nodeOptions) configure(c *cluster.Config, log *slog.Logger, clientAddr string, x access) (*followed[nodeTLS], error) {
	if o.raftAddr == "" {
		return nil, nil
	}
	c.RaftAddr, c.AdvertiseAddr, c.InsecureNodes = o.raftAddr, o.advertise, o.insecureNodes
	c.Join, c.BootstrapExpect, c.Nonvoter = o.join, o.expect, o.nonvoter
	c.ClientAddr = o.reachable(clientAddr)
	c.Peers, c.Discovery = node.New(log), node.NewDiscovery(o.discoveryTLS(x))
	if _, err := o.joinAuthorities(); err != nil {
		return nil, err
	}
	if o.nodeCert == "" {
		return nil, nil
	}
	f, err := followNodeTLS(log, o)
	if err != nil {
		return nil, err
	}
	c.NodeTLS = f.now().sides(f)
	return f, nil
}

// reachable gives a client address that is every address of this machine the
// host that other nodes know.
func (o *nodeOptions) reachable(clientAddr string) string {
	host, port, err := net.SplitHostPort(clientAddr)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return clientAddr
	}
	if known, _, err := net.SplitHostPort(o.advertise); err == nil {
		return net.JoinHostPort(known, port)
	}
	return clientAddr
}

// discoveryTLS is for asking other nodes' client ports who they are, nil = in
// plaintext: they are secured as this node's own.
func (o *nodeOptions) discoveryTLS(x access) *node.DiscoveryTLS {
	if x.tls == nil {
		return nil
	}
	return &node.DiscoveryTLS{
		Roots:       o.joinAuthorities,
		Certificate: func() (*tls.Certificate, error) { return &x.tls.now().config.Certificates[0], nil },
	}
}

// joinAuthorities reads the authorities of other nodes' client ports; nil = the
// system's.
func (o *nodeOptions) joinAuthorities() (*x509.CertPool, error) {
	file := cmp.Or(o.joinCA, o.nodeCA)
	if file == "" {
		return nil, nil
	}
	pem, err := readAll(file)
	if err != nil {
		return nil, err
	}
	pool, err := parseAuthorities(pem, file)
	if err != nil || o.joinCA != "" {
		return pool, err
	}
	if system, err := x509.SystemCertPool(); err == nil {
		pool = system
		pool.AppendCertsFromPEM(pem)
	}
	return pool, nil
}
