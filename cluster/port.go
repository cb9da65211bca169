package cluster

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// port is the one port on which members talk to each other. TLS, where there
// is some, is outside; then the first byte says whom the connection is for:
// raft, or the service of package api/node. So a member's address in Raft's
// configuration is all that is needed to reach either.
type port struct {
	net.Listener
	advertised string
	tls        *NodeTLS // nil = plaintext
	lineage    func() lineage

	raft, node *branch
}

// NodeTLS holds the two sides of mutual TLS between nodes. Both must verify
// that the other one may be a member: there is no further check.
type NodeTLS struct{ Server, Client *tls.Config }

// What the first byte of a connection asks for, and the answer to it.
const (
	forRaft byte = 'R'
	forNode byte = 'N'

	yes byte = '+'
	no  byte = '-'
)

// helloTimeout bounds how long a new connection may take to say what it is.
const helloTimeout = 10 * time.Second

// lineage says which history a member is part of. Two that are known and
// differ must not exchange Raft messages: another cluster has taken over an
// address, or the cluster was recovered without this member.
type lineage struct {
	cluster    string // "" = not known yet
	generation uint64
}

// lineageSize is the length of an encoded lineage.
const lineageSize = 24

func (l lineage) append(dst []byte) []byte {
	var digest [16]byte
	if l.cluster != "" {
		sum := sha256.Sum256([]byte(l.cluster))
		copy(digest[:], sum[:])
	}
	return binary.BigEndian.AppendUint64(append(dst, digest[:]...), l.generation)
}

// agrees reports whether a peer that has sent theirs may be of the same
// history.
func (l lineage) agrees(theirs []byte) bool {
	known := binary.BigEndian.Uint64(theirs) != 0 || binary.BigEndian.Uint64(theirs[8:]) != 0
	return l.cluster == "" || !known || string(l.append(nil)) == string(theirs)
}

// listen opens the port.
func listen(cfg *Config, lineage func() lineage) (*port, error) {
	l, err := net.Listen("tcp", cfg.RaftAddr)
	if err != nil {
		return nil, err
	}
	p := &port{Listener: l, advertised: cfg.AdvertiseAddr, tls: cfg.NodeTLS, lineage: lineage}
	if p.advertised == "" {
		p.advertised = l.Addr().String()
	}
	addr := address(p.advertised)
	p.raft, p.node = newBranch(addr), newBranch(addr)
	go p.accept()
	return p, nil
}

// address is what members call this node, which need not be what it listens on.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// accept runs until the listener is closed.
func (p *port) accept() {
	defer p.raft.Close()
	defer p.node.Close()
	for {
		conn, err := p.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files
			<-time.After(10 * time.Millisecond)
			continue
		}
		go p.sort(conn)
	}
}

// sort reads what conn is for and passes it on.
func (p *port) sort(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(helloTimeout))
	if p.tls != nil {
		conn = tls.Server(conn, p.tls.Server)
	}
	to, err := p.hello(conn)
	if err != nil {
		conn.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	to.give(conn)
}

// hello is the answering side of dial.
func (p *port) hello(conn net.Conn) (*branch, error) {
	var kind [1]byte
	if _, err := io.ReadFull(conn, kind[:]); err != nil {
		return nil, err
	}
	to, answer := p.node, yes
	switch kind[0] {
	case forNode:
	case forRaft:
		to = p.raft
		var theirs [lineageSize]byte
		if _, err := io.ReadFull(conn, theirs[:]); err != nil {
			return nil, err
		}
		if !p.lineage().agrees(theirs[:]) {
			answer = no
		}
	default:
		return nil, fmt.Errorf("connection for %q", kind[0])
	}
	if _, err := conn.Write([]byte{answer}); err != nil {
		return nil, err
	}
	if answer == no {
		return nil, errOtherLineage
	}
	return to, nil
}

var errOtherLineage = errors.New("the other node belongs to another cluster, or to this one before it was recovered")

// dial connects to a member's port.
func (p *port) dial(ctx context.Context, addr string, kind byte) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if p.tls != nil {
		conf := p.tls.Client
		if conf.ServerName == "" {
			conf = conf.Clone()
			conf.ServerName, _, _ = net.SplitHostPort(addr)
		}
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	if err := p.introduce(conn, kind); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return conn, nil
}

// introduce says what conn is for and waits for the answer, which also means
// that the other side has accepted this one's certificate.
func (p *port) introduce(conn net.Conn, kind byte) error {
	hello := []byte{kind}
	if kind == forRaft {
		hello = p.lineage().append(hello)
	}
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer[0] != yes {
		return errOtherLineage
	}
	return nil
}

// dialNode connects to the service of package api/node at addr.
func (p *port) dialNode(ctx context.Context, addr string) (net.Conn, error) {
	return p.dial(ctx, addr, forNode)
}

// raftStreams is raft's side of the port. Closing it closes the port.
type raftStreams struct {
	*branch
	port *port
}

// Dial connects to another member's raft.
func (s *raftStreams) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.port.dial(ctx, string(addr), forRaft)
}

// Close stops listening. Connections that were passed on stay.
func (s *raftStreams) Close() error {
	s.branch.Close()
	return s.port.Listener.Close()
}

// branch is a listener of the connections that port passes on.
type branch struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newBranch(addr net.Addr) *branch {
	return &branch{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (b *branch) give(conn net.Conn) {
	select {
	case b.conns <- conn:
	case <-b.closed:
		conn.Close()
	}
}

// Accept returns the next connection, or net.ErrClosed.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case conn := <-b.conns:
		return conn, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Idempotent.
func (b *branch) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// Addr is the advertised address, by which raft knows itself.
func (b *branch) Addr() net.Addr { return b.addr }
