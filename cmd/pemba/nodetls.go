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

// followNodeTLS reads the files of o.
func followNodeTLS(log *slog.Logger, o *nodeOptions) (*followed[nodeTLS], error) {
	return follow(log, func(contents [][]byte) (*nodeTLS, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", o.nodeCert, err)
		}
		roots, err := parseAuthorities(contents[2], o.nodeCA)
		if err != nil {
			return nil, err
		}
		return &nodeTLS{pair, roots, o.nodeNames}, nil
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

// verify checks that the peer's certificate is of one of the authorities, is
// meant for this and names one of the nodes.
func (n *nodeTLS) verify(s tls.ConnectionState, usage x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the other node shows no certificate")
	}
	leaf, chain := s.PeerCertificates[0], x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		chain.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: n.roots, Intermediates: chain, KeyUsages: []x509.ExtKeyUsage{usage}}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("verify the other node's certificate: %w", err)
	}
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		if name != "" && slices.Contains(n.names, name) {
			return nil
		}
	}
	return fmt.Errorf("the other node's certificate names %q and %q, none of --node-names", leaf.Subject.CommonName, leaf.DNSNames)
}
