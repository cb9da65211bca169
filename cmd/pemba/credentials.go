package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// credentialOptions say how a client shows who it is and knows who it talks to.
type credentialOptions struct {
	key, keyFile string
	keyGiven     bool // on the command line
	tls          clientFiles
	insecure     bool
}

func (o *credentialOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "`KEY` that the servers want; other users of this machine can see it here, but not in its variable or in a file")
	f.StringVar(&o.keyFile, "key-file", "", "`FILE` that holds the key")
	fromEnv(cmd, "key", "key-file")
	o.addConnection(cmd)
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		o.keyGiven = f.Changed("key")
		return before(cmd, args)
	}
}

// addConnection adds the flags of how a client connects, without those of the key.
func (o *credentialOptions) addConnection(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.tls.use, "tls", false, "use TLS; the system's authorities say which servers are right")
	f.StringVar(&o.tls.ca, "tls-ca", "", "use TLS; the authorities in this `FILE` say which servers are right")
	f.StringVar(&o.tls.cert, "tls-cert", "", "`FILE` of the certificate to show to servers that want one")
	f.StringVar(&o.tls.key, "tls-key", "", "`FILE` of its private key")
	f.BoolVar(&o.insecure, "insecure", false, "send the key in plaintext to an address that is not loopback, too")
	fromEnv(cmd, "tls", "tls-ca", "tls-cert", "tls-key", "insecure")
}

// dialOptions returns what every connection to addrs needs.
func (o *credentialOptions) dialOptions(addrs []string) ([]grpc.DialOption, error) {
	key, err := o.readKey()
	if err != nil {
		return nil, err
	}
	config, err := o.tls.config()
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	if key == "" {
		return options, nil
	}
	if err := o.mayCarry("key", addrs); err != nil {
		return nil, err
	}
	return append(options, grpc.WithPerRPCCredentials(bearer(key))), nil
}

// mayCarry refuses to send a secret in plaintext to an address that is not
// loopback, unless that is asked for.
func (o *credentialOptions) mayCarry(secret string, addrs []string) error {
	for _, addr := range addrs {
		if host, _, _ := net.SplitHostPort(addr); !o.tls.wanted() && !o.insecure && !isLoopback(host) {
			return fmt.Errorf("the %s is not sent to %s in plaintext; give --tls or --tls-ca, or --insecure to send it so that the networks between can read it", secret, addr)
		}
	}
	return nil
}

// readKey returns the key, "" = none. A file wins over a variable.
func (o *credentialOptions) readKey() (string, error) {
	if o.keyFile == "" {
		return checkKey("the key", strings.TrimSpace(o.key))
	}
	if o.keyGiven {
		return "", errors.New("--key and --key-file both name a key: give one of them")
	}
	data, err := readAll(o.keyFile)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(data))
	if key == "" {
		return "", fmt.Errorf("--key-file %s is empty", o.keyFile)
	}
	return checkKey(o.keyFile, key)
}

// checkKey refuses what could not be sent, such as a file of several lines. It
// does not quote the key.
func checkKey(from, key string) (string, error) {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("%s is not one word of printable characters, as \"pemba key new\" prints it", from)
		}
	}
	return key, nil
}

// bearer sends a key with each call. Whether the connection is fit for it is
// looked at before.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
