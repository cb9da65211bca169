package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// A tlsServer is the TLS side of a port: certificate, key and, if clients must
// have certificates, the authorities for these.
type tlsServer struct {
	config  *tls.Config // used for handshakes until the files change; keeps session tickets
	expires time.Time   // of the certificate
}

// followTLS reads a certificate with its chain and key, and ca, the authorities
// of clients, "" = clients need no certificate.
func followTLS(log *slog.Logger, cert, key, ca string) (*followed[tlsServer], error) {
	return follow(log, func(contents [][]byte) (*tlsServer, error) {
		s, err := parseTLS(contents, cert, key, ca)
		if err == nil && time.Now().After(s.expires) {
			log.Warn("the certificate has expired, so clients will refuse this node", "certificate", cert, "expired", s.expires)
		}
		return s, err
	}, cert, key, ca)
}

// parseTLS reads the contents of the files that are named.
func parseTLS(contents [][]byte, certFile, keyFile, caFile string) (*tlsServer, error) {
	pair, err := parsePair(contents[0], contents[1], certFile, keyFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair},
	}
	if ca := contents[2]; ca != nil {
		if config.ClientCAs, err = parseAuthorities(ca, caFile); err != nil {
			return nil, err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return &tlsServer{config, pair.Leaf.NotAfter}, nil
}

// parsePair reads a certificate with its chain, and its key.
func parsePair(cert, key []byte, certFile, keyFile string) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

func parseAuthorities(pem []byte, file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// serverTLS returns a configuration that follows the files.
func serverTLS(f *followed[tlsServer]) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.now().config, nil },
	}
}

func readAll(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, rootCause(err))
	}
	return data, nil
}

// clientFiles are the flags with which a client uses TLS.
type clientFiles struct {
	use       bool   // with the system's authorities, unless ca
	ca        string // file of the authorities of servers
	cert, key string // files of the client's own certificate
}

// wanted reports whether connections are secured.
func (c clientFiles) wanted() bool { return c.use || c.ca != "" || c.cert != "" }

// config returns nil for plaintext.
func (c clientFiles) config() (*tls.Config, error) {
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	if !c.wanted() {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := readAll(c.ca)
		if err != nil {
			return nil, err
		}
		if config.RootCAs, err = parseAuthorities(pem, c.ca); err != nil {
			return nil, err
		}
	}
	if c.cert != "" {
		cert, err := readAll(c.cert)
		if err != nil {
			return nil, err
		}
		key, err := readAll(c.key)
		if err != nil {
			return nil, err
		}
		pair, err := parsePair(cert, key, c.cert, c.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
