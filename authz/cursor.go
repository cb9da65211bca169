package authz

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	cursorPrefix = "pc1_"
	// MaxCursorLen is the longest text that can be a cursor, in bytes. A cursor of
	// a read holds a tuple's key.
	MaxCursorLen = 4096
	macBytes     = 16
)

// A cursor is where an earlier answer ended: a view, a time, the request that
// it answered, and a place in it. Its text carries an authentication code under
// the cluster's secret: nobody can make one up, so a place need not be checked.
type cursor struct {
	query       [16]byte // digest of the request
	incarnation uint64   // of the cluster
	tenant      uint64   // incarnation of the tenant
	revision    uint64
	now         int64
	place       []byte
}

func (c *cursor) text(secret []byte) string {
	raw := append(make([]byte, 0, 128), c.query[:]...)
	raw = binary.AppendUvarint(raw, c.incarnation)
	raw = binary.AppendUvarint(raw, c.tenant)
	raw = binary.AppendUvarint(raw, c.revision)
	raw = binary.AppendVarint(raw, c.now)
	raw = append(raw, c.place...)
	raw = append(raw, cursorMAC(secret, raw)...)
	return cursorPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func cursorMAC(secret, raw []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(cursorPrefix))
	h.Write(raw)
	return h.Sum(nil)[:macBytes]
}

// parseCursor reads what text wrote with the same secret, and nothing else.
func parseCursor(text string, secret []byte) (c cursor, ok bool) {
	if len(secret) == 0 || len(text) > MaxCursorLen || len(text) < len(cursorPrefix) || text[:len(cursorPrefix)] != cursorPrefix {
		return c, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text[len(cursorPrefix):])
	if err != nil || len(raw) < len(c.query)+macBytes {
		return c, false
	}
	body, mac := raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	if !hmac.Equal(mac, cursorMAC(secret, body)) {
		return c, false
	}
	body = body[copy(c.query[:], body):]
	for _, field := range []*uint64{&c.incarnation, &c.tenant, &c.revision} {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return c, false
		}
		*field, body = v, body[n:]
	}
	now, n := binary.Varint(body)
	if n <= 0 {
		return c, false
	}
	c.now, c.place = now, body[n:]
	return c, true
}

// digest is what a request that can be continued must not change.
type digest struct{ hash hash.Hash }

// newDigest begins with the kind of request.
func newDigest(kind string) digest {
	d := digest{sha256.New()}
	d.add(kind)
	return d
}

// add hashes texts with their lengths, so that no two lists of texts are alike.
func (d digest) add(texts ...string) {
	var n [8]byte
	for _, s := range texts {
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		d.hash.Write(n[:])
		d.hash.Write([]byte(s))
	}
}

func (d digest) addFacts(context map[string]any, contextual []tuple.Tuple) error {
	text, err := json.Marshal(context) // sorts the keys
	if err != nil {
		return internal(fmt.Errorf("encode context: %w", err))
	}
	d.add(string(text))
	for _, t := range contextual {
		d.add(t.String())
	}
	return nil
}

func (d digest) sum() (out [16]byte) {
	copy(out[:], d.hash.Sum(nil))
	return out
}

// page is where a request that can be continued reads, and from where on.
type page struct {
	service *Service
	view    store.View
	graph   *graph.Graph
	now     int64
	query   [16]byte
	place   []byte // nil = from the beginning
}

// page returns the view and time of a cursor, or, without one, those that c
// asks for.
func (s *Service) page(ctx context.Context, tenant string, c Consistency, from string, query [16]byte) (*page, error) {
	p := &page{service: s, query: query}
	var err error
	if from == "" {
		if p.view, err = s.view(ctx, tenant, c); err != nil {
			return nil, err
		}
		p.now = s.timeOf(p.view)
	} else if err := s.resume(ctx, tenant, c, from, p); err != nil {
		return nil, err
	}
	p.graph, _, err = s.graphOf(ctx, p.view)
	return p, err
}

// resume sets p to where the cursor from ended.
func (s *Service) resume(ctx context.Context, tenant string, c Consistency, from string, p *page) error {
	name, err := s.tenantName(tenant)
	if err != nil {
		return err
	}
	if c.Level != Any {
		return &Error{Code: Invalid, Reason: "INVALID_FIELD", Field: "consistency",
			Message: "a cursor names its own view", Fix: "leave consistency out when you continue"}
	}
	if !s.node.Ready() { // it may not know the cluster's secret yet
		return notReady()
	}
	cur, ok := parseCursor(from, s.node.Store().Secret())
	switch _, incarnation := s.life(); {
	case !ok:
		return cursorError("MALFORMED_CURSOR", from, "this is not a cursor of this cluster", "send a cursor exactly as an answer gave it")
	case cur.query != p.query:
		return cursorError("OTHER_REQUEST", from, "the cursor is of another request", "repeat the request that gave it; only the limit may differ")
	case cur.incarnation < incarnation:
		return cursorError("OLD_INCARNATION", from, "the cursor is from before this cluster was restored", "begin anew")
	}
	at := position{incarnation: cur.incarnation, tenant: cur.tenant, revision: cur.revision}
	at.cluster, _ = s.life()
	if err := s.reach(ctx, at, name, "cursor", from); err != nil {
		return err
	}
	v, err := s.node.Store().View(name, cur.revision)
	switch {
	case errors.Is(err, store.ErrHorizon):
		e := cursorError("CURSOR_TOO_OLD", from, "the cursor's view is not readable any more", "begin anew")
		e.Code = OutOfRange
		return e
	case err != nil:
		return viewError(err)
	case v.Incarnation() != cur.tenant:
		return otherTenant("cursor", from)
	}
	p.view, p.now, p.place = v, cur.now, cur.place
	if p.place == nil {
		p.place = []byte{}
	}
	return nil
}

func cursorError(reason, text, message, fix string) *Error {
	return &Error{Code: Invalid, Reason: reason, Field: "cursor", Value: text, Message: message, Fix: fix}
}

// cursor returns the text that continues at place.
func (p *page) cursor(place []byte) string {
	_, incarnation := p.service.life()
	c := cursor{
		query: p.query, incarnation: incarnation, tenant: p.view.Incarnation(), revision: p.view.Revision(),
		now: p.now, place: place,
	}
	return c.text(p.service.node.Store().Secret())
}
