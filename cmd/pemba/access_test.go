package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A served is a server in the test's process.
type served struct {
	addr, admin string
	log         *lockedBuffer
}

// lockedBuffer is written and read by different goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startServe runs "pemba serve" with flags on loopback until the test ends.
func startServe(t *testing.T, flags ...string) served {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "addr")
	s := served{log: &lockedBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	root := newRoot(&app{in: strings.NewReader(""), out: io.Discard, err: s.log})
	root.SetArgs(append([]string{
		"serve", "--data-dir", filepath.Join(dir, "data"), "--grpc-addr", "127.0.0.1:0", "--addr-file", file, "--admin-addr", "127.0.0.1:0",
	}, flags...))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v\n%s", err, s.log)
		}
	})
	var err error
	if s.addr, err = awaitFile(file); err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	_, rest, _ := strings.Cut(s.log.String(), `msg="metrics and probes are served" addr=`)
	s.admin, _, _ = strings.Cut(rest, "\n")
	return s
}

// client runs a client command and returns its status and what it said.
func (s served) client(args ...string) (status int, said string) {
	status, out, err := pemba("", append([]string{"cluster", "status", "--addr", s.addr, "--timeout", "2s"}, args...)...)
	return status, out + err
}

func TestServe_TLSRefusesPlaintextAndWrongAuthorities(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("server", 2)
	s := startServe(t, "--tls-cert", cert, "--tls-key", key)
	for _, c := range []struct {
		status int
		want   string
		flags  []string
	}{
		{exitOK, "leader", []string{"--tls-ca", ca.file}},
		{exitError, "give --tls or --tls-ca", nil},
		{exitError, "no TLS with " + s.addr, []string{"--tls-ca", other.file}},
		{exitError, "no TLS with " + s.addr, []string{"--tls"}},
	} {
		if status, said := s.client(c.flags...); status != c.status || !strings.Contains(said, c.want) {
			t.Errorf("%v: status %d, %s", c.flags, status, said)
		}
	}
}

func TestServe_ClientsNeedACertificateOfTheAuthority(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("server", 2)
	good, goodKey := ca.issue("billing", 3)
	bad, badKey := other.issue("billing", 3)
	s := startServe(t, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca.file)
	for _, c := range []struct {
		status int
		want   string
		flags  []string
	}{
		{exitOK, "leader", []string{"--tls-ca", ca.file, "--tls-cert", good, "--tls-key", goodKey}},
		{exitError, "no TLS with", []string{"--tls-ca", ca.file, "--tls-cert", bad, "--tls-key", badKey}},
		{exitError, "no TLS with", []string{"--tls-ca", ca.file}},
	} {
		if status, said := s.client(c.flags...); status != c.status || !strings.Contains(said, c.want) {
			t.Errorf("%v: status %d, %s", c.flags, status, said)
		}
	}
}

// serialAt is the serial number of the certificate that a server shows.
func serialAt(t *testing.T, addr string, config *tls.Config) int64 {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLS_FollowsItsFilesAndKeepsThemWhenTheyBreak(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue("server", 2)
	var log bytes.Buffer
	f, err := followTLS(slog.New(slog.NewTextHandler(&log, nil)), cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS(f))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).Handshake()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	pool, err := parseAuthorities(must(os.ReadFile(ca.file)), ca.file)
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}}
	expect := func(when string, serial int64, logged int) {
		t.Helper()
		f.refresh()
		f.refresh() // says nothing new
		if got := serialAt(t, listener.Addr().String(), client); got != serial {
			t.Errorf("%s: certificate %d is shown, want %d", when, got, serial)
		}
		if n := strings.Count(log.String(), "cannot be used"); n != logged {
			t.Errorf("%s: %d complaints, want %d:\n%s", when, n, logged, &log)
		}
	}
	expect("at first", 2, 0)
	old := must(os.ReadFile(key))
	ca.issue("server", 3)
	renewed := must(os.ReadFile(key))
	os.WriteFile(key, old, 0o600)
	expect("with the old key", 2, 1)
	os.WriteFile(key, renewed, 0o600)
	expect("renewed", 3, 1)
	os.WriteFile(cert, []byte("nonsense"), 0o600)
	expect("overwritten", 3, 2)
	os.Remove(cert)
	expect("removed", 3, 3)
	ca.issue("server", 4)
	expect("renewed again", 4, 3)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestServe_KeysAdmitAndFollowTheirFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	key := func(name string) string {
		status, out, said := pemba("", "key", "new", name, "--keys-file", file)
		if status != exitOK {
			t.Fatal(said)
		}
		return strings.TrimSpace(out)
	}
	first := key("app")
	s := startServe(t, "--keys-file", file)
	for given, want := range map[string]string{"": "have a key", "pk1_wrong": "does not know the key", first: "leader"} {
		if _, said := s.client("--key", given); !strings.Contains(said, want) {
			t.Errorf("key %q: %s", given, said)
		}
	}
	second := key("app")
	awaitThat(t, func() bool { status, _ := s.client("--key", second); return status == exitOK })
	if status, said := s.client("--key", first); status != exitOK {
		t.Errorf("the first key beside the second: %s", said)
	}
	line := keyLine("app", second)
	if err := os.WriteFile(file, []byte("# only the second\n"+line+" # new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitThat(t, func() bool { status, _ := s.client("--key", first); return status == exitError })
	if status, said := s.client("--key", second); status != exitOK {
		t.Errorf("the second key alone: %s", said)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitThat(t, func() bool { return strings.Contains(s.log.String(), "holds no key") })
	if status, said := s.client("--key", second); status != exitOK {
		t.Errorf("after the file was emptied: %s", said)
	}
	if logged := s.log.String(); strings.Contains(logged, first) || strings.Contains(logged, second) {
		t.Error("the log holds a key")
	}
}

func awaitThat(t *testing.T, condition func() bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
		<-tick.C
	}
}

func TestAccess_IsNotOpenToStrangersUnlessAskedByName(t *testing.T) {
	for _, c := range []struct {
		host string
		o    accessOptions
		want string // part of the error, "" = fine
	}{
		{"127.0.0.1", accessOptions{}, ""},
		{"0.0.0.0", accessOptions{}, "plaintext is served on loopback only"},
		{"0.0.0.0", accessOptions{open: true}, "plaintext is served on loopback only"},
		{"0.0.0.0", accessOptions{keysFile: "k"}, "plaintext is served on loopback only"},
		{"0.0.0.0", accessOptions{insecure: true}, "could read and write"},
		{"0.0.0.0", accessOptions{tlsCert: "c", tlsKey: "k"}, "could read and write"},
		{"0.0.0.0", accessOptions{tlsCert: "c", tlsKey: "k", keysFile: "k"}, ""},
		{"0.0.0.0", accessOptions{tlsCert: "c", tlsKey: "k", clientCA: "a"}, ""},
		{"0.0.0.0", accessOptions{tlsCert: "c", tlsKey: "k", open: true}, ""},
		{"0.0.0.0", accessOptions{insecure: true, open: true}, ""},
		{"0.0.0.0", accessOptions{insecure: true, keysFile: "k"}, ""},
		{"127.0.0.1", accessOptions{tlsCert: "c"}, "go together"},
		{"127.0.0.1", accessOptions{clientCA: "c"}, "needs --tls-cert"},
		{"127.0.0.1", accessOptions{open: true, keysFile: "k"}, "give one of them"},
	} {
		err := c.o.validate(c.host+":1", c.host)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: %v", c.host, c.o, err)
		}
	}
}

func TestCredentials_TheKeyStaysOffPlaintextNetworks(t *testing.T) {
	for _, c := range []struct {
		addr string
		o    credentialOptions
		fine bool
	}{
		{"192.0.2.1:1", credentialOptions{key: "k"}, false},
		{"192.0.2.1:1", credentialOptions{key: "k", insecure: true}, true},
		{"192.0.2.1:1", credentialOptions{key: "k", tls: clientFiles{use: true}}, true},
		{"192.0.2.1:1", credentialOptions{}, true},
		{"localhost:1", credentialOptions{key: "k"}, true},
		{"127.0.0.1:1", credentialOptions{key: "two words"}, false},
		{"127.0.0.1:1", credentialOptions{key: "k", keyGiven: true, keyFile: "f"}, false},
		{"127.0.0.1:1", credentialOptions{keyFile: "no-such-file"}, false},
		{"127.0.0.1:1", credentialOptions{tls: clientFiles{cert: "c"}}, false},
	} {
		if _, err := c.o.dialOptions([]string{"127.0.0.1:2", c.addr}); (err == nil) != c.fine {
			t.Errorf("%s %+v: %v", c.addr, c.o, err)
		}
	}
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
