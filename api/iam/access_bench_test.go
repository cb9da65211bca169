package iam

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/proto/codec"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// An asked is a layer with a question about its owner, by token, as it comes over
// the wire.
type asked struct {
	iam     *core.Service
	message *pb.AuthorizeRequest
	wire    mem.BufferSlice
}

func newAsked(t testing.TB) *asked {
	t.Helper()
	layer := core.New(core.Config{Service: newEngine(t), Master: credential.NewMasterKey(), Log: discard})
	private, public := sharedKey()
	f, err := layer.Found(t.Context(), authz.Caller{Name: "test"}, core.FoundRequest{PublicPEM: public})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := keyFile(f.KeyID, f.AccountID, private).Assertion(time.Now(), audience)
	if err != nil {
		t.Fatal(err)
	}
	token, _, _, err := layer.CreateToken(t.Context(), &core.Call{}, jwt)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{iam: layer, message: &pb.AuthorizeRequest{
		Identity: &pb.AuthorizeRequest_IamToken{IamToken: token}, Permission: "compute.instances.start",
		ResourcePath: []*pb.Resource{{Kind: "compute.instance", Id: "epd0123456789abcdefg"}, {Kind: core.FolderKind, Id: f.FolderID}},
	}}
	wire, err := proto.Marshal(a.message)
	if err != nil {
		t.Fatal(err)
	}
	a.wire = mem.BufferSlice{mem.SliceBuffer(wire)}
	return a
}

// BenchmarkAuthorize is what one question costs between gRPC's bytes: the core
// alone, and with the message decoded and the answer encoded.
func BenchmarkAuthorize(b *testing.B) {
	a := newAsked(b)
	b.Run("core", func(b *testing.B) {
		b.ReportAllocs()
		path := []core.Resource{ownResource(a.message.GetResourcePath()[0]), ownResource(a.message.GetResourcePath()[1])}
		for b.Loop() {
			got, err := a.iam.Authorize(context.Background(), &core.AuthorizeRequest{Token: a.message.GetIamToken(), Permission: a.message.GetPermission(), Path: path})
			if err != nil || !got.Allowed {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		server := &accessServer{door: &door{iam: a.iam}}
		receive := func(into any) error { return codec.Codec{}.Unmarshal(a.wire, into) }
		for b.Loop() {
			out, err := serveAuthorize(server, context.Background(), receive, nil)
			if err != nil {
				b.Fatal(err)
			}
			data, err := codec.Codec{}.Marshal(out)
			if err != nil {
				b.Fatal(err)
			}
			data.Free()
		}
	})
}
