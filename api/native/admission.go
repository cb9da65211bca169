package native

import (
	"context"
	"crypto/x509"
	"net"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Keys tells whose a key is, and false for one that is nobody's. How long it
// takes must not depend on how much of a key is right. It is called for each
// request and from any goroutine.
type Keys func(key string) (name string, ok bool)

// admitted returns ctx, perhaps with the caller's name in it, and that name;
// with an error, which is a status, the caller is not admitted.
type admitted func(ctx context.Context) (context.Context, string, error)

// strangers lists the methods that need no key: nodes that look for their
// cluster have none.
var strangers = []string{pembav1.ClusterService_Discover_FullMethodName}

// admission returns how callers of a method are admitted. Those who only ask
// for permissions are not named in ctx, as nobody wants to know; it would cost
// each question an allocation.
func (g guard) admission(service, method string) admitted {
	switch {
	case g.keys == nil || slices.Contains(strangers, "/"+service+"/"+method):
		return func(ctx context.Context) (context.Context, string, error) { return ctx, "", nil }
	case g.asks(service):
		return func(ctx context.Context) (context.Context, string, error) {
			name, err := g.admit(ctx)
			return ctx, name, err
		}
	}
	return func(ctx context.Context) (context.Context, string, error) {
		name, err := g.admit(ctx)
		if err != nil {
			return ctx, "", err
		}
		return context.WithValue(ctx, callerName{}, name), name, nil
	}
}

// callerName is the key of the caller's name in a context.
type callerName struct{}

var (
	errNoKey = unauthenticated("NO_KEY", "this server answers to those who have a key",
		`send "authorization: Bearer KEY"; pemba takes the key from --key-file, --key or PEMBA_KEY`)
	errWrongKey = unauthenticated("WRONG_KEY", "this server does not know the key",
		`use one that is in its keys file; "pemba key new" makes one`)
)

func unauthenticated(reason, message, fix string) error {
	st := status.New(codes.Unauthenticated, message+": "+fix)
	with, err := st.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: map[string]string{"fix": fix}})
	if err != nil {
		return st.Err()
	}
	return with.Err()
}

// admit returns the name of the key that ctx's request came with.
func (g guard) admit(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return "", errNoKey
	}
	const scheme = "Bearer "
	text := values[0]
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return "", errNoKey
	}
	name, ok := g.keys(text[len(scheme):])
	if !ok {
		return "", errWrongKey
	}
	return name, nil
}

// admitting returns desc with callers admitted and nothing else. What is not
// pemba's own service needs no more: the baseline of measurements, reflection.
func (g guard) admitting(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	if g.keys == nil {
		return desc
	}
	guarded := *desc
	guarded.Methods = nil
	for _, m := range desc.Methods {
		inner := m.Handler
		m.Handler = func(srv any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			if _, err := g.admit(ctx); err != nil {
				return nil, err
			}
			return inner(srv, ctx, decode, i)
		}
		guarded.Methods = append(guarded.Methods, m)
	}
	guarded.Streams = nil
	for _, s := range desc.Streams {
		inner := s.Handler
		s.Handler = func(srv any, stream grpc.ServerStream) error {
			if _, err := g.admit(stream.Context()); err != nil {
				return err
			}
			return inner(srv, stream)
		}
		guarded.Streams = append(guarded.Streams, s)
	}
	return &guarded
}

// A registrar registers services with callers admitted.
type registrar struct {
	*grpc.Server
	guard guard
}

func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	r.Server.RegisterService(r.guard.admitting(desc), impl)
}

// callerOf says who sends a write, for the audit trail: the name of the key, or
// else of the certificate, that the caller has shown.
func callerOf(ctx context.Context) authz.Caller {
	caller := authz.Caller{Name: "anonymous"}
	p, ok := peer.FromContext(ctx)
	if ok {
		caller.Address = p.Addr.String()
		if host, _, err := net.SplitHostPort(caller.Address); err == nil {
			caller.Address = host
		}
	}
	if name, named := ctx.Value(callerName{}).(string); named {
		caller.Name = name
	} else if ok {
		if name := certificateName(p.AuthInfo); name != "" {
			caller.Name = name
		}
	}
	return caller
}

// certificateName is the first name of the certificate that a client has proven
// to have, "" = none.
func certificateName(info credentials.AuthInfo) string {
	t, ok := info.(credentials.TLSInfo)
	if !ok || len(t.State.VerifiedChains) == 0 {
		return ""
	}
	return nameOf(t.State.VerifiedChains[0][0])
}

func nameOf(c *x509.Certificate) string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return c.Subject.CommonName
}
