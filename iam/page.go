package iam

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pemba-authz/pemba/authz"
)

// Page says which part of a list is wanted.
type Page struct {
	Size  int64  // 0 = DefaultPage
	Token string // of the part before, "" = from the beginning
}

// Limits of a page.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// A page token names the view of the list's first page and how much of the list
// was given. It is authenticated, and bound to the list that it is of.
const pageMAC = 16

func (s *Service) pageToken(list string, revision, offset uint64) string {
	raw := binary.AppendUvarint(nil, revision)
	raw = binary.AppendUvarint(raw, offset)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.pageSum(list, raw)...))
}

func (s *Service) pageSum(list string, raw []byte) []byte {
	h := hmac.New(sha256.New, s.layer.Secret())
	h.Write([]byte("iam page\x00" + list + "\x00"))
	h.Write(raw)
	return h.Sum(nil)[:pageMAC]
}

func badPage(token string) *Error {
	return invalid("page_token", token, "this is no page token of this list", "send the token exactly as the page before gave it, with the same request")
}

// splitPage returns the parts of a token, which is not to be trusted yet.
func splitPage(token string) (raw, sum []byte, revision, offset uint64, ok bool) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(data) <= pageMAC {
		return nil, nil, 0, 0, false
	}
	raw, sum = data[:len(data)-pageMAC], data[len(data)-pageMAC:]
	revision, n := binary.Uvarint(raw)
	if n <= 0 {
		return nil, nil, 0, 0, false
	}
	offset, m := binary.Uvarint(raw[n:])
	return raw, sum, revision, offset, m > 0 && n+m == len(raw)
}

// A listing is one page of a list on its way: what is listed is that of the first
// page's view, so that pages fit together; whether the caller may see it is
// decided at the view that the call asks for.
type listing struct {
	s      *Service
	name   string // of the list, with all that decides what is in it
	view   *authz.LayerView
	now    *authz.LayerView
	caller *Caller
	size   int
	offset int
}

// list begins a page of the list of that name.
func (s *Service) list(ctx context.Context, call *Call, p Page, name string) (*listing, error) {
	if p.Size < 0 || p.Size > MaxPage {
		return nil, invalid("page_size", fmt.Sprint(p.Size), "a page has 1 to 1000 entries", "ask for less at a time")
	}
	l := &listing{s: s, name: name, size: cmp.Or(int(p.Size), DefaultPage)}
	var revision uint64
	if p.Token != "" {
		raw, sum, at, offset, ok := splitPage(p.Token)
		if !ok || offset > math.MaxInt32 || !hmac.Equal(sum, s.pageSum(name, raw)) {
			return nil, badPage(p.Token)
		}
		revision, l.offset = at, int(offset)
	}
	var err error
	if l.now, l.caller, err = s.read(ctx, call); err != nil {
		return nil, err
	}
	l.view = l.now
	if p.Token != "" {
		v, err := s.layer.ViewAt(ctx, revision)
		if err != nil {
			return nil, at("page_token", err)
		}
		l.view = &v
	}
	return l, nil
}

// must refuses a caller who lacks the action, such as "list", on a resource.
func (l *listing) must(ctx context.Context, on Resource, action string) error {
	return l.s.mustGet(ctx, l.now, l.caller, on, action)
}

// cut returns which of n entries are the page, and the token of the next one.
func (l *listing) cut(n int) (from, to int, next string) {
	from = min(l.offset, n)
	to = min(from+l.size, n)
	if to < n {
		next = l.s.pageToken(l.name, l.view.Revision(), uint64(to))
	}
	return from, to, next
}

// mustHave refuses a caller who lacks a permission on a resource; one that is not
// there is not found.
func (l *listing) mustHave(ctx context.Context, permission string, on Resource) error {
	if there, err := isThere(l.now, on); err != nil || !there {
		return orNotFound(err, on)
	}
	return l.caller.must(ctx, l.now, permission, on)
}
