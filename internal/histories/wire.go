//go:build linux

package histories

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// revisionOf returns the revision in a token. To clients a token is opaque; the
// harness looks inside, because revisions put everything in one order.
func revisionOf(token string) (uint64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "pt1_"))
	if err != nil || len(raw) < 16 {
		return 0, fmt.Errorf("token %q cannot be read", token)
	}
	raw = raw[16:]
	var fields [3]uint64 // incarnation, tenant, revision
	for i := range fields {
		v, n := binary.Uvarint(raw)
		if n <= 0 {
			return 0, fmt.Errorf("token %q cannot be read", token)
		}
		fields[i], raw = v, raw[n:]
	}
	return fields[2], nil
}

func consistency(l level, token string) *pb.Consistency {
	switch l {
	case atLeast:
		return &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: token}}
	case exactly:
		return &pb.Consistency{Level: &pb.Consistency_Exactly{Exactly: token}}
	case latest:
		return &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
	}
	return &pb.Consistency{Level: &pb.Consistency_Any{Any: &pb.Consistency_AnyLevel{}}}
}

// reasonOf returns the reason that a server gives for err, "" = none.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "pemba.v1" {
			return info.GetReason()
		}
	}
	return ""
}

// fate says what err means for a request that changes something, and whether the
// cluster as a whole has decided so; otherwise only this attempt has failed.
func fate(err error) (o outcome, decided bool) {
	if err == nil {
		return done, true
	}
	switch reasonOf(err) {
	case "", "UNKNOWN_OUTCOME", "DEADLINE_EXCEEDED", "CANCELED", "INTERNAL":
		return unknown, false
	case "TUPLE_EXISTS", "PRECONDITION_FAILED":
		return refused, true
	}
	return refused, false
}

// mistaken says why err means that the harness or the server is broken, "" =
// such errors are to be expected.
func mistaken(err error) string {
	st := status.Convert(err)
	switch st.Code() {
	case codes.OK, codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.ResourceExhausted:
		return ""
	case codes.AlreadyExists:
		if reasonOf(err) == "TUPLE_EXISTS" {
			return ""
		}
	case codes.OutOfRange:
		if reasonOf(err) == "TOKEN_TOO_OLD" {
			return "" // where the horizon is short
		}
	}
	return fmt.Sprintf("%s: %s: %s", st.Code(), reasonOf(err), st.Message())
}

// tupleOf is how tuples are compared.
func tupleOf(t *pb.Tuple) tuple.Tuple {
	out := tuple.Tuple{
		Object:   tuple.Object{Type: t.GetObject().GetType(), ID: t.GetObject().GetId()},
		Relation: t.GetRelation(),
		Subject:  tuple.Subject{Type: t.GetSubject().GetType(), ID: t.GetSubject().GetId(), Relation: t.GetSubject().GetRelation()},
		Caveat:   t.GetCaveat().GetName(),
		Context:  t.GetCaveat().GetContextJson(),
	}
	if t.GetExpires() != nil {
		out.Expires = t.GetExpires().AsTime().UnixNano()
	}
	return out
}

func wireTuple(t tuple.Tuple) *pb.Tuple {
	out := &pb.Tuple{Object: wireObject(t.Object), Relation: t.Relation, Subject: wireSubject(t.Subject)}
	if t.Caveat != "" {
		out.Caveat = &pb.Caveat{Name: t.Caveat, ContextJson: t.Context}
	}
	if t.Expires != 0 {
		out.Expires = timestamppb.New(time.Unix(0, t.Expires))
	}
	return out
}

func wireObject(o tuple.Object) *pb.Object { return &pb.Object{Type: o.Type, Id: o.ID} }

func wireSubject(s tuple.Subject) *pb.Subject {
	return &pb.Subject{Type: s.Type, Id: s.ID, Relation: s.Relation}
}

func touch(t tuple.Tuple) *pb.Update {
	return &pb.Update{Operation: pb.Update_OPERATION_TOUCH, Tuple: wireTuple(t)}
}

func create(t tuple.Tuple) *pb.Update {
	return &pb.Update{Operation: pb.Update_OPERATION_CREATE, Tuple: wireTuple(t)}
}

func remove(t tuple.Tuple) *pb.Update {
	t.Caveat, t.Context, t.Expires = "", "", 0
	return &pb.Update{Operation: pb.Update_OPERATION_DELETE, Tuple: wireTuple(t)}
}

// updatesOf is what the history keeps of a request.
func updatesOf(request *pb.WriteRequest) []update {
	var out []update
	for _, u := range request.GetUpdates() {
		t := tupleOf(u.GetTuple())
		v := update{key: t.Key(), create: u.GetOperation() == pb.Update_OPERATION_CREATE}
		if u.GetOperation() != pb.Update_OPERATION_DELETE {
			v.content = contentOf(t)
		}
		out = append(out, v)
	}
	return out
}
