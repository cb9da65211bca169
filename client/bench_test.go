package client

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pemba-authz/pemba/proto/codec"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkPlainStub is a check with generated code that sends a key as gRPC
// means it, BenchmarkClient the same with this package and three servers. Both
// have the caller's deadline. Compare their allocations; those of the server are
// counted, too.
func BenchmarkPlainStub(b *testing.B) {
	stub := plainStub(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := plain(stub); err != nil {
			b.Fatal(err)
		}
	}
}

func plainStub(b testing.TB) pb.PermissionServiceClient {
	conn, err := grpc.NewClient((&fake{check: allow}).serve(b),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer{}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec.Codec{})))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return pb.NewPermissionServiceClient(conn)
}

type bearer struct{}

func (bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer pk1_x"}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func plain(stub pb.PermissionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := stub.Check(ctx, &pb.CheckRequest{
		Object: &pb.Object{Type: "doc", Id: "a"}, Permission: "view", Subject: &pb.Subject{Type: "user", Id: "ann"},
	})
	return err
}

func BenchmarkClient(b *testing.B) {
	c := benchClient(b)
	question := ask(b, "doc:a#view@user:ann")
	b.ReportAllocs()
	for b.Loop() {
		if err := own(c, question); err != nil {
			b.Fatal(err)
		}
	}
}

func benchClient(b testing.TB) *Client {
	f := &fake{check: allow}
	return dial(b, Config{Addrs: []string{f.serve(b), f.serve(b), f.serve(b)}, Key: "pk1_x"})
}

func own(c *Client, question CheckRequest) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := c.Check(ctx, question)
	return err
}

func TestCheck_AllocatesLittleMoreThanAPlainStub(t *testing.T) {
	stub, c, question := plainStub(t), benchClient(t), ask(t, "doc:a#view@user:ann")
	const calls, room = 2000, 2.5
	before := testing.AllocsPerRun(calls, func() { _ = plain(stub) })
	after := testing.AllocsPerRun(calls, func() { _ = own(c, question) })
	if after > before+room {
		t.Errorf("a check allocates %v times, with a plain stub %v", after, before)
	}
}
