package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/api/native"
)

// accessOptions say who may connect to the client port, and how.
type accessOptions struct {
	tlsCert, tlsKey string
	clientCA        string
	keysFile        string
	insecure        bool
	open            bool
}

func (o *accessOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.tlsCert, "tls-cert", "", "serve TLS with the certificates of this `FILE`, the server's first; read again when it changes")
	f.StringVar(&o.tlsKey, "tls-key", "", "`FILE` of the certificate's private key")
	f.StringVar(&o.clientCA, "tls-client-ca", "", "serve only clients with a certificate from an authority in this `FILE`")
	f.StringVar(&o.keysFile, "keys-file", "", "serve only clients with a key in this `FILE`, which \"pemba key new\" writes; read again when it changes")
	f.BoolVar(&o.insecure, "insecure", false, "serve plaintext on an address that is not loopback")
	f.BoolVar(&o.open, "open", false, "serve everybody, without a key or certificate, on an address that is not loopback")
	fromEnv(cmd, "tls-cert", "tls-key", "tls-client-ca", "keys-file", "insecure", "open")
}

// validate refuses what contradicts itself, and what is open to strangers on
// addr without saying so by name; host is addr's.
func (o *accessOptions) validate(addr, host string) error {
	switch {
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case o.clientCA != "" && o.tlsCert == "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key: clients show certificates over TLS only")
	case o.open && o.keysFile != "":
		return errors.New("--open serves everybody, --keys-file those with a key: give one of them")
	case isLoopback(host):
		return nil
	case o.tlsCert == "" && !o.insecure:
		return fmt.Errorf("--grpc-addr %s: plaintext is served on loopback only; give --tls-cert and --tls-key, or --insecure to serve it on every network that reaches this address", addr)
	case o.keysFile == "" && o.clientCA == "" && !o.open:
		return fmt.Errorf("--grpc-addr %s: everybody who reaches this address could read and write; give --keys-file or --tls-client-ca, or --open to allow that", addr)
	}
	return nil
}

// An access is what accessOptions name, loaded. Its parts are nil where there
// is none.
type access struct {
	tls  *followed[tlsServer]
	keys *followed[keyTable]
}

func (o *accessOptions) load(log *slog.Logger) (x access, err error) {
	if o.tlsCert != "" {
		if x.tls, err = followTLS(log, o.tlsCert, o.tlsKey, o.clientCA); err != nil {
			return x, err
		}
	}
	if o.keysFile != "" {
		if x.keys, err = followKeys(log, o.keysFile); err != nil {
			return x, err
		}
	}
	return x, nil
}

// refresh looks at the files again.
func (x access) refresh() {
	if x.tls != nil {
		x.tls.refresh()
	}
	if x.keys != nil {
		x.keys.refresh()
	}
}

func (x access) tlsConfig() *tls.Config {
	if x.tls == nil {
		return nil
	}
	return serverTLS(x.tls)
}

func (x access) admits() native.Keys {
	if x.keys == nil {
		return nil
	}
	return func(key string) (string, bool) { return x.keys.now().name(key) }
}
