package client

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Consistency says which view of the data answers a question. The zero value is
// any, or, with Config.ReadYourWrites, at least this Client's newest write.
type Consistency struct {
	level level
	token string
}

type level uint8

const (
	unset level = iota
	anyView
	atLeast
	exactly
	latest
)

// Any asks for the view that the asked server has now, without waiting. It may
// miss recent writes.
func Any() Consistency { return Consistency{level: anyView} }

// AtLeast asks for a view that contains everything up to token.
func AtLeast(token string) Consistency { return Consistency{atLeast, token} }

// Exactly asks for the view of token.
func Exactly(token string) Consistency { return Consistency{exactly, token} }

// Latest asks for a view that contains every write acknowledged before.
func Latest() Consistency { return Consistency{level: latest} }

func (c Consistency) message() *pb.Consistency {
	switch c.level {
	case atLeast:
		return &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: c.token}}
	case exactly:
		return &pb.Consistency{Level: &pb.Consistency_Exactly{Exactly: c.token}}
	case latest:
		return &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
	}
	return nil
}

// consistency returns what a read of tenant asks for.
func (c *Client) consistency(tenant string, asked Consistency) Consistency {
	if asked.level == unset && c.config.ReadYourWrites {
		if token := c.tokens.newest(tenant); token != "" {
			return AtLeast(token)
		}
	}
	return asked
}

// tokens remembers the newest write to each tenant.
type tokens struct {
	mu       sync.RWMutex
	byTenant map[string]writeToken // guarded by mu
}

type writeToken struct {
	text string
	at   position
}

func (t *tokens) newest(tenant string) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byTenant[tenant].text
}

// note remembers token unless a newer one of the same cluster is known: writes
// may finish in another order than they took effect.
func (t *tokens) note(tenant, token string) {
	next := writeToken{token, positionOf(token)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.byTenant[tenant]; ok && !known.at.before(next.at) {
		return
	}
	if t.byTenant == nil {
		t.byTenant = map[string]writeToken{}
	}
	t.byTenant[tenant] = next
}

// forget drops token, which the cluster does not take any more.
func (t *tokens) forget(tenant, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byTenant[tenant].text == token {
		delete(t.byTenant, tenant)
	}
}

// A position is what a token says, as far as it orders tokens: the cluster, its
// incarnation, the tenant's and the revision.
type position struct {
	known   bool
	cluster [16]byte
	order   [3]uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// positionOf reads a token. One of a form that it does not know has no order;
// the last of them to arrive is then the newest.
func positionOf(token string) (p position) {
	text, ok := strings.CutPrefix(token, "pt1_")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) < len(p.cluster)+4 {
		return position{}
	}
	body, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return position{}
	}
	body = body[copy(p.cluster[:], body):]
	for i := range p.order {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return position{}
		}
		p.order[i], body = v, body[n:]
	}
	p.known = true
	return p
}

// before reports whether q is the newer one of two tokens.
func (p position) before(q position) bool {
	if !p.known || !q.known || !bytes.Equal(p.cluster[:], q.cluster[:]) {
		return true
	}
	for i := range p.order {
		if p.order[i] != q.order[i] {
			return p.order[i] < q.order[i]
		}
	}
	return false
}
