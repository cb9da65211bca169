package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Op is what an update does to a tuple.
type Op uint8

// The operations. The zero value is none, and refused.
const (
	Create Op = iota + 1 // add it; an error if it is there
	Touch                // add it, or replace the caveat and expiry of the one that is there
	Delete               // remove it; fine if it is not there
)

// An Update changes one tuple.
type Update struct {
	Op    Op
	Tuple tuple.Tuple
}

// A Precondition must hold at the moment of a write. See TuplesMatch,
// TuplesAbsent, RowUnchanged and SchemaUnchanged.
type Precondition struct{ message *pb.Precondition }

// TuplesMatch holds if f selects a tuple.
func TuplesMatch(f tuple.Filter) Precondition {
	return Precondition{&pb.Precondition{Condition: &pb.Precondition_TuplesMatch{TuplesMatch: filterMessage(f)}}}
}

// TuplesAbsent holds if f selects none.
func TuplesAbsent(f tuple.Filter) Precondition {
	return Precondition{&pb.Precondition{Condition: &pb.Precondition_TuplesAbsent{TuplesAbsent: filterMessage(f)}}}
}

// RowUnchanged holds if nobody changed a tuple of object and relation since the
// view of a token.
func RowUnchanged(o tuple.Object, relation, since string) Precondition {
	row := &pb.Precondition_RowUnchanged{Object: objectMessage(o), Relation: relation, Since: since}
	return Precondition{&pb.Precondition{Condition: &pb.Precondition_RowUnchanged_{RowUnchanged: row}}}
}

// SchemaUnchanged holds if nobody changed the schema since the view of a token.
func SchemaUnchanged(since string) Precondition {
	return Precondition{&pb.Precondition{Condition: &pb.Precondition_SchemaUnchanged{SchemaUnchanged: since}}}
}

// A WriteRequest changes tuples, all or none of them.
type WriteRequest struct {
	Tenant        string
	Updates       []Update // up to 10,000; no two of them about the same object, relation and subject
	Preconditions []Precondition

	// RequestID is a UUIDv7 that names the write, so that one that is sent again
	// takes effect once. "" = Write makes one. Those who may have to repeat a write
	// in another process make it themselves and keep it.
	RequestID string
}

// Write changes tuples and returns the token of the first view with the change,
// which is durable then. It repeats the write under one request id while servers
// do not answer or do not know, as long as ctx lasts. An error with Reason
// UnknownOutcome says that the change may or may not happen; any other, that it
// did not.
func (c *Client) Write(ctx context.Context, r WriteRequest) (token string, err error) {
	message, err := c.writeMessage(&r)
	if err != nil {
		return "", err
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	w := write{client: c, message: message, pause: firstPause}
	for {
		reply, err := w.attempt(ctx)
		if err == nil {
			c.tokens.note(message.GetTenant(), reply.GetToken())
			return reply.GetToken(), nil
		}
		if again := w.again(ctx, err); !again {
			return "", w.failed(ctx, err)
		}
	}
}

func (c *Client) writeMessage(r *WriteRequest) (*pb.WriteRequest, error) {
	m := &pb.WriteRequest{Tenant: c.tenant(r.Tenant), RequestId: r.RequestID, Updates: make([]*pb.Update, len(r.Updates))}
	for i, u := range r.Updates {
		m.Updates[i] = &pb.Update{Operation: operations[u.Op], Tuple: tupleMessage(u.Tuple)}
	}
	for _, p := range r.Preconditions {
		m.Preconditions = append(m.Preconditions, p.message)
	}
	if m.RequestId == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make a request id: %w", err)
		}
		m.RequestId = id.String()
	}
	return m, nil
}

var operations = map[Op]pb.Update_Operation{
	Create: pb.Update_OPERATION_CREATE, Touch: pb.Update_OPERATION_TOUCH, Delete: pb.Update_OPERATION_DELETE,
}

// A write is one that is under way.
type write struct {
	client  *Client
	message *pb.WriteRequest
	tried   uint64 // servers that this round has asked
	pause   time.Duration
	last    *server
	doubt   bool // an attempt may have been carried out
}

// attempt asks the next server. Those that this round has not asked share the
// time that is left, so that one that hangs leaves some to the others.
func (w *write) attempt(ctx context.Context) (*pb.WriteResponse, error) {
	c := w.client
	s := c.pick(int(c.start.Load()), w.tried)
	left := 0
	for _, other := range c.servers {
		if w.tried&other.bit == 0 && other.rank() >= s.rank() {
			left++
		}
	}
	w.tried, w.last = w.tried|s.bit, s
	if end, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	reply := new(pb.WriteResponse)
	var by peer.Peer
	err := s.conn.Invoke(c.outgoing(ctx), pb.TupleService_Write_FullMethodName, w.message, reply, grpc.StaticMethod(), grpc.Peer(&by))
	if err == nil {
		return reply, nil
	}
	e := errorOf(s.addr, err)
	if by.Addr != nil && unsettled(e) {
		w.doubt = true
	}
	return nil, e
}

// unsettled reports whether a request that went out may have been carried out.
// A server that gives a reason for UNAVAILABLE has not begun it.
func unsettled(e *Error) bool {
	switch e.Code {
	case codes.DeadlineExceeded, codes.Canceled:
		return true
	case codes.Unavailable, codes.Unknown, codes.Internal:
		return e.Reason == "" || e.Reason == UnknownOutcome || e.Code == codes.Internal
	}
	return false
}

// again reports, in time for it, whether the write is to be sent again.
func (w *write) again(ctx context.Context, err error) bool {
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return false
	}
	switch cureOf(e) {
	case nothing:
		return false
	case elsewhere:
		w.client.suspect(w.last)
	}
	if w.tried != w.client.all() {
		return true
	}
	w.tried = 0
	again := w.client.sleep(ctx, w.pause)
	w.pause = min(2*w.pause, longestPause)
	return again
}

// failed is the error of the write, whose last attempt ended with err. After an
// attempt that may have been carried out only an answer that the request id
// vouches for is certain.
func (w *write) failed(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if !w.doubt || e.Code == codes.AlreadyExists || e.Reason == "PRECONDITION_FAILED" {
		return w.client.final(ctx, e)
	}
	return &Error{
		Code: codes.Unknown, Reason: UnknownOutcome, Addr: e.Addr,
		Message: "the write may or may not happen; the last attempt ended with: " + e.Message,
		Fix:     "send it again with the request id " + w.message.GetRequestId(),
	}
}
