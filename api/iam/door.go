package iam

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	core "github.com/pemba-authz/pemba/iam"
)

// A door is what every method of the vendor's API has around it: it reads what
// comes with a request beside its message, holds the message to the rules of its
// .proto file, and says in headers what the answer is of.
type door struct {
	iam     *core.Service
	log     *slog.Logger
	maxWait time.Duration
}

// A method is one RPC of a hand-built service.
type method struct {
	name  string
	rules *rules // of its request
	make  func() proto.Message
	do    func(ctx context.Context, call *core.Call, r proto.Message) (proto.Message, error)
	open  bool   // nobody need have authenticated: tokens in metadata are not read
	lacks string // why the method is not there, "" = it is
}

// rpc makes a method of a function.
func rpc[Q any, R interface {
	*Q
	proto.Message
}, A proto.Message](name string, do func(context.Context, *core.Call, R) (A, error)) method {
	return method{
		name: name, rules: rulesOf(R(new(Q)).ProtoReflect().Descriptor()),
		make: func() proto.Message { return R(new(Q)) },
		do: func(ctx context.Context, call *core.Call, r proto.Message) (proto.Message, error) {
			return do(ctx, call, r.(R))
		},
	}
}

// opened makes a method one that needs no authentication.
func opened(m method) method {
	m.open = true
	return m
}

// lacking makes methods that are not there, and say why.
func lacking(why string, names ...string) []method {
	var out []method
	for _, name := range names {
		out = append(out, method{name: name, lacks: why})
	}
	return out
}

// service makes a gRPC service of methods. file is where its .proto definition
// stands.
func (d *door) service(name, file string, methods ...method) Mounted {
	desc := &grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil), Metadata: file}
	for _, m := range methods {
		full := "/" + name + "/" + m.name
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: m.name,
			// The server has no interceptors for unary calls.
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return d.serve(ctx, full, &m, decode)
			},
		})
	}
	return Mounted{Desc: desc, Impl: d, SelfAuthenticating: true}
}

// serve answers one request.
func (d *door) serve(ctx context.Context, full string, m *method, decode func(any) error) (any, error) {
	in := readMetadata(ctx)
	answer, err := d.answer(ctx, full, m, &in, decode)
	headers := metadata.Pairs(requestIDHeader, in.call.RequestID)
	if in.call.Seen != "" {
		headers.Set(tokenHeader, in.call.Seen)
	}
	// After a request that was too large to be read, gRPC has answered itself.
	if headerErr := grpc.SetHeader(ctx, headers); headerErr != nil && err == nil {
		d.log.Warn("headers were not sent", "method", full, "error", headerErr)
	}
	if err != nil {
		return nil, d.failed(full, in.call.RequestID, err)
	}
	return answer, nil
}

func (d *door) answer(ctx context.Context, full string, m *method, in *incoming, decode func(any) error) (proto.Message, error) {
	if m.lacks != "" {
		return nil, unimplemented(m.lacks)
	}
	if in.err != nil && !(m.open && in.unauthenticated()) {
		return nil, in.err
	}
	if m.open {
		in.call.Token = ""
	}
	r := m.make()
	if err := decode(r); err != nil {
		return nil, err
	}
	if err := m.rules.check(r.ProtoReflect()); err != nil {
		return nil, err
	}
	if in.call.Idempotency != "" {
		in.call.Request = digest(full, r)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return m.do(ctx, &in.call, r)
}

// bounded gives ctx the longest wait, unless its caller set a deadline.
func (d *door) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d.maxWait)
}

// digest tells requests apart. It need only be the same for the same request to
// the same build: a retry comes within the idempotency key's life.
func digest(method string, r proto.Message) [32]byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		data = nil // a message that was decoded can be encoded
	}
	return sha256.Sum256(append([]byte(method+"\x00"), data...))
}
