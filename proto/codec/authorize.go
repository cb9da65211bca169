package codec

import (
	"google.golang.org/protobuf/proto"

	iampb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Identity says how an Authorize names who asks for access.
type Identity uint8

// The ways, by the field's number in the message.
const (
	NoIdentity Identity = iota
	ByToken
	BySubject
	Anonymous
)

// An Element is one resource of a path.
type Element struct{ Kind, ID string }

// An Authorize is an iampb.AuthorizeRequest.
type Authorize struct {
	Identity               Identity
	Token                  string // ByToken
	SubjectType, SubjectID string // BySubject
	Permission             string
	Path                   []Element
	Consistency            *pb.Consistency
	Explain                bool
}

// Clear makes a as new, but for its memory.
func (a *Authorize) Clear() {
	clear(a.Path)
	*a = Authorize{Path: a.Path[:0]}
}

func (a *Authorize) decode(text string) bool {
	a.Clear()
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1, 2, 3:
			r.bad = !a.decodeIdentity(&r, f, kind) || r.bad
		case 4:
			a.Permission = r.oneString(f, kind)
		case 5:
			a.Path = append(a.Path, Element{})
			r.bad = !a.Path[len(a.Path)-1].decode(r.repeated(kind)) || r.bad
		case 6:
			a.Consistency = new(pb.Consistency)
			r.bad = !decodeConsistency(r.oneMessage(f, kind), a.Consistency) || r.bad
		case 7:
			a.Explain = r.oneVarint(f, kind) != 0
		default:
			return false
		}
	}
	return !r.bad
}

// decodeIdentity reads one of the fields that say who asks; the library decides
// what several mean.
func (a *Authorize) decodeIdentity(r *reader, f, kind uint64) bool {
	if a.Identity != NoIdentity {
		return false
	}
	a.Identity = Identity(f)
	switch a.Identity {
	case ByToken:
		a.Token = r.oneString(f, kind)
		return true
	case BySubject:
		var e Element
		ok := e.decode(r.oneMessage(f, kind))
		a.SubjectType, a.SubjectID = e.Kind, e.ID
		return ok
	}
	return r.oneMessage(f, kind) == ""
}

// decode reads the fields of an iampb.Resource, or of an iampb.Subject, whose
// type stands where a resource has its kind.
func (x *Element) decode(text string) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			x.Kind = r.oneString(f, kind)
		case 2:
			x.ID = r.oneString(f, kind)
		default:
			return false
		}
	}
	return !r.bad
}

func (a *Authorize) encode(e *encoder) {
	e.string(4, a.Permission)
	for _, x := range a.Path {
		e.pair(5, x.Kind, x.ID)
	}
	e.consistency(6, a.Consistency)
	if a.Explain {
		e.varint(7, 1)
	}
	switch a.Identity { // which the library writes last
	case ByToken:
		e.element(1, a.Token)
	case BySubject:
		e.pair(2, a.SubjectType, a.SubjectID)
	case Anonymous:
		e.close(e.open(3))
	}
}

// pair writes a message of two texts.
func (e *encoder) pair(field byte, one, two string) {
	start := e.open(field)
	e.string(1, one)
	e.string(2, two)
	e.close(start)
}

func (a *Authorize) library() proto.Message {
	m := &iampb.AuthorizeRequest{Permission: a.Permission, Consistency: a.Consistency, Explain: a.Explain}
	switch a.Identity {
	case ByToken:
		m.Identity = &iampb.AuthorizeRequest_IamToken{IamToken: a.Token}
	case BySubject:
		m.Identity = &iampb.AuthorizeRequest_Subject{Subject: &iampb.Subject{Type: a.SubjectType, Id: a.SubjectID}}
	case Anonymous:
		m.Identity = &iampb.AuthorizeRequest_Anonymous{Anonymous: &iampb.Anonymous{}}
	}
	for _, x := range a.Path {
		m.ResourcePath = append(m.ResourcePath, &iampb.Resource{Kind: x.Kind, Id: x.ID})
	}
	return m
}

func (*Authorize) empty() proto.Message { return new(iampb.AuthorizeRequest) }

func (a *Authorize) take(m proto.Message) {
	r := m.(*iampb.AuthorizeRequest)
	a.Clear()
	switch who := r.GetIdentity().(type) {
	case *iampb.AuthorizeRequest_IamToken:
		a.Identity, a.Token = ByToken, who.IamToken
	case *iampb.AuthorizeRequest_Subject:
		a.Identity, a.SubjectType, a.SubjectID = BySubject, who.Subject.GetType(), who.Subject.GetId()
	case *iampb.AuthorizeRequest_Anonymous:
		a.Identity = Anonymous
	}
	for _, x := range r.GetResourcePath() {
		a.Path = append(a.Path, Element{x.GetKind(), x.GetId()})
	}
	a.Permission, a.Consistency, a.Explain = r.GetPermission(), r.GetConsistency(), r.GetExplain()
}

// An Authorized is an iampb.AuthorizeResponse. What explains it is left to the
// library.
type Authorized struct {
	Decision pb.Decision
	Caller   AuthorizedCaller
	Token    string

	Path  []*iampb.Resource
	Grant *iampb.Grant
}

// An AuthorizedCaller is an iampb.Caller.
type AuthorizedCaller struct {
	Given                            bool // the message has one
	HasSubject, HasImpersonator      bool // the message has them, if only empty ones
	SubjectType, SubjectID           string
	ImpersonatorType, ImpersonatorID string
	KeyID, TokenID                   string
	ExpiresAt                        int64 // Unix seconds
}

func (a *Authorized) decode(text string) bool {
	*a = Authorized{}
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			a.Decision = pb.Decision(r.oneVarint(f, kind))
		case 2:
			r.bad = !a.Caller.decode(r.oneMessage(f, kind)) || r.bad
		case 5:
			a.Token = r.oneString(f, kind)
		default: // an explanation among them
			return false
		}
	}
	return !r.bad
}

func (c *AuthorizedCaller) decode(text string) bool {
	c.Given = true
	var x Element
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			r.bad = !x.decode(r.oneMessage(f, kind)) || r.bad
			c.HasSubject, c.SubjectType, c.SubjectID, x = true, x.Kind, x.ID, Element{}
		case 2:
			r.bad = !x.decode(r.oneMessage(f, kind)) || r.bad
			c.HasImpersonator, c.ImpersonatorType, c.ImpersonatorID, x = true, x.Kind, x.ID, Element{}
		case 3:
			c.KeyID = r.oneString(f, kind)
		case 4:
			c.TokenID = r.oneString(f, kind)
		case 5:
			c.ExpiresAt = int64(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	return !r.bad
}

func (a *Authorized) encode(e *encoder) {
	e.no = e.no || len(a.Path) > 0 || a.Grant != nil
	e.number(1, int64(a.Decision))
	if c := &a.Caller; c.Given {
		start := e.open(2)
		if c.HasSubject {
			e.pair(1, c.SubjectType, c.SubjectID)
		}
		if c.HasImpersonator {
			e.pair(2, c.ImpersonatorType, c.ImpersonatorID)
		}
		e.string(3, c.KeyID)
		e.string(4, c.TokenID)
		e.number(5, c.ExpiresAt)
		e.close(start)
	}
	e.string(5, a.Token)
}

func (a *Authorized) library() proto.Message {
	m := &iampb.AuthorizeResponse{Decision: a.Decision, ResourcePath: a.Path, Grant: a.Grant, Token: a.Token}
	if c := &a.Caller; c.Given {
		m.Caller = &iampb.Caller{KeyId: c.KeyID, TokenId: c.TokenID, ExpiresAt: c.ExpiresAt}
		if c.HasSubject {
			m.Caller.Subject = &iampb.Subject{Type: c.SubjectType, Id: c.SubjectID}
		}
		if c.HasImpersonator {
			m.Caller.Impersonator = &iampb.Subject{Type: c.ImpersonatorType, Id: c.ImpersonatorID}
		}
	}
	return m
}

func (*Authorized) empty() proto.Message { return new(iampb.AuthorizeResponse) }

func (a *Authorized) take(m proto.Message) {
	r := m.(*iampb.AuthorizeResponse)
	*a = Authorized{Decision: r.GetDecision(), Path: r.GetResourcePath(), Grant: r.GetGrant(), Token: r.GetToken()}
	if c := r.GetCaller(); c != nil {
		a.Caller = AuthorizedCaller{
			Given: true, HasSubject: c.GetSubject() != nil, HasImpersonator: c.GetImpersonator() != nil,
			SubjectType: c.GetSubject().GetType(), SubjectID: c.GetSubject().GetId(),
			ImpersonatorType: c.GetImpersonator().GetType(), ImpersonatorID: c.GetImpersonator().GetId(),
			KeyID: c.GetKeyId(), TokenID: c.GetTokenId(), ExpiresAt: c.GetExpiresAt(),
		}
	}
}
