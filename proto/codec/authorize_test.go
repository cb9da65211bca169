package codec

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	iampb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// typicalAuthorize are a question and its answer as services exchange them.
func typicalAuthorize() (*iampb.AuthorizeRequest, *iampb.AuthorizeResponse) {
	who := &iampb.Subject{Type: "serviceAccount", Id: "aje0123456789abcdefg"}
	return &iampb.AuthorizeRequest{
			Identity: &iampb.AuthorizeRequest_IamToken{IamToken: strings.Repeat("t", 300)}, Permission: "compute.instances.start",
			ResourcePath: []*iampb.Resource{{Kind: "compute.instance", Id: "epd0123456789abcdefg"}, {Kind: "resource-manager.folder", Id: "b1g0123456789abcdefg"}},
		}, &iampb.AuthorizeResponse{
			Decision: pb.Decision_DECISION_ALLOWED, Token: strings.Repeat("t", 40),
			Caller: &iampb.Caller{Subject: who, KeyId: "ajk0123456789abcdefg", TokenId: "ajt0123456789abcdefg", ExpiresAt: 1_800_000_000},
		}
}

// The code of this package must be what does it, and without an object for each
// part of a question.
func TestAuthorize_IsReadAndWrittenWithoutTheLibrary(t *testing.T) {
	question, answer := typicalAuthorize()
	for _, c := range []struct {
		m proto.Message
		p Plain
	}{{question, &Authorize{}}, {answer, &Authorized{}}} {
		c.p.take(c.m)
		e := new(encoder)
		if c.p.encode(e); e.no {
			t.Errorf("%T is left to the library when it is written", c.p)
		}
		text := string(e.b)
		n := testing.AllocsPerRun(100, func() {
			if !c.p.decode(text) {
				t.Fatalf("%T is left to the library when it is read", c.p)
			}
			e.b = e.b[:0]
			c.p.encode(e)
		})
		if n != 0 {
			t.Errorf("%T: %v allocations", c.p, n)
		}
	}
}

// Several identities in one message mean what the library makes of them.
func TestAuthorize_LeavesTheLastIdentityToTheLibrary(t *testing.T) {
	question, _ := typicalAuthorize()
	b, err := proto.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	other, err := proto.Marshal(&iampb.AuthorizeRequest{Identity: &iampb.AuthorizeRequest_Anonymous{Anonymous: &iampb.Anonymous{}}})
	if err != nil {
		t.Fatal(err)
	}
	var a Authorize
	if err := (Codec{}).Unmarshal(split(append(b, other...), 0), &a); err != nil || a.Identity != Anonymous || a.Token != "" {
		t.Errorf("%+v, %v", a, err)
	}
}
