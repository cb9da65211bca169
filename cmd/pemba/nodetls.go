package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/pemba-authz/pemba/cluster"
)

// nodeTLS is what nodes prove each other with: a certificate, the authorities
// of the others' and the names that these may have.
type nodeTLS struct {
	pair  tls.Certificate
	roots *x509.CertPool
	names []string
}

// followNodeTLS reads the files of o, and warns of a certificate that the node
// itself would refuse if another had it.
func followNodeTLS(log *slog.Logger, o *nodeOptions) (*followed[nodeTLS], error) {
	return follow(log, func(contents [][]byte) (*nodeTLS, error) {
		pair, err := parsePair(contents[0], contents[1], o.nodeCert, o.nodeKey)
		if err != nil {
			return nil, err
		}
		roots, err := parseAuthorities(contents[2], o.nodeCA)
		if err != nil {
			return nil, err
		}
		n := &nodeTLS{pair, roots, o.nodeNames}
		if err := n.verifyOwn(); err != nil {
			log.Warn("nodes with the same --node-tls-ca and --node-names would refuse this node", "certificate", o.nodeCert, "err", err)
		}
		return n, nil
	}, o.nodeCert, o.nodeKey, o.nodeCA)
}

// sides returns both sides of the node port, which follow f. Each demands a
// certificate and verifies it by itself: a peer is who its certificate says,
// wherever it is.
func (*nodeTLS) sides(f *followed[nodeTLS]) *cluster.NodeTLS {
	return &cluster.NodeTLS{
		Server: &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert,
			GetCertificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &f.now().pair, nil },
			VerifyConnection: func(s tls.ConnectionState) error { return f.now().verify(s, x509.ExtKeyUsageClientAuth) },
		},
		Client: &tls.Config{
			MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // VerifyConnection verifies
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &f.now().pair, nil },
			VerifyConnection:     func(s tls.ConnectionState) error { return f.now().verify(s, x509.ExtKeyUsageServerAuth) },
		},
	}
}

// verify checks the peer's certificate.
func (n *nodeTLS) verify(s tls.ConnectionState, usage x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the other node shows no certificate")
	}
	if err := n.check(s.PeerCertificates, usage); err != nil {
		return fmt.Errorf("verify the other node's certificate: %w", err)
	}
	return nil
}

// verifyOwn checks the node's own certificate for both sides.
func (n *nodeTLS) verifyOwn() error {
	certificates := make([]*x509.Certificate, len(n.pair.Certificate))
	for i, der := range n.pair.Certificate {
		var err error
		if certificates[i], err = x509.ParseCertificate(der); err != nil {
			return err
		}
	}
	if err := n.check(certificates, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	return n.check(certificates, x509.ExtKeyUsageClientAuth)
}

// check returns nil if the first certificate, with the others as its chain, is of
// one of the authorities, is meant for usage and names one of the nodes.
func (n *nodeTLS) check(certificates []*x509.Certificate, usage x509.ExtKeyUsage) error {
	leaf, chain := certificates[0], x509.NewCertPool()
	for _, c := range certificates[1:] {
		chain.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: n.roots, Intermediates: chain, KeyUsages: []x509.ExtKeyUsage{usage}}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		if name != "" && slices.Contains(n.names, name) {
			return nil
		}
	}
	return fmt.Errorf("it names %q and %q, none of --node-names", leaf.Subject.CommonName, leaf.DNSNames)
}
