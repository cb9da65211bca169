package client

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// UnknownOutcome is the Reason of a write that may or may not happen.
const UnknownOutcome = "UNKNOWN_OUTCOME"

// An Error is what a server refused, or that no server answered. It never means
// "denied". errors.Is finds context.DeadlineExceeded and context.Canceled in it.
type Error struct {
	Code    codes.Code
	Reason  string        // stable, as the protocol documents them; "" = no server said anything
	Field   string        // path of the field to blame, "" = none
	Value   string        // the offending value, shortened
	Message string        // what is wrong
	Fix     string        // what to do about it, "" = unknown
	Addr    string        // the server that said so, or the last one asked
	Retry   time.Duration // how long to wait before the same request may succeed, 0 = unknown
	Token   string        // of a watch that was cut off: where to go on
}

func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" && !strings.Contains(text, e.Field) {
		text += ", in " + e.Field
	}
	if e.Fix != "" {
		text += ": " + e.Fix
	}
	if e.Reason == "" && e.Addr != "" {
		text = e.Addr + ": " + text
	}
	return text
}

// GRPCStatus lets package status find the code.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Error()) }

// Is lets errors.Is find the end of a context.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	case context.Canceled:
		return e.Code == codes.Canceled
	}
	return false
}

// errorOf translates what gRPC returned for a call to the server at addr.
func errorOf(addr string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		told := *own // callers may change theirs
		return &told
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	e := &Error{Code: st.Code(), Message: st.Message(), Addr: addr}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = d.GetReason()
			e.Value, e.Fix, e.Token = d.GetMetadata()["value"], d.GetMetadata()["fix"], d.GetMetadata()["token"]
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Field = v.GetField()
			}
		case *errdetails.RetryInfo:
			e.Retry = d.GetRetryDelay().AsDuration()
		}
	}
	if e.Fix != "" {
		e.Message = strings.TrimSuffix(e.Message, ": "+e.Fix)
	}
	return e
}

// itemError translates the error of one part of a request.
func itemError(addr string, p *pb.Error) *Error {
	e := &Error{
		Code: codes.Code(p.GetCode()), Reason: p.GetReason(), Message: p.GetMessage(),
		Field: p.GetField(), Value: p.GetValue(), Fix: p.GetFix(), Addr: addr, Retry: p.GetRetry().AsDuration(),
	}
	if e.Fix != "" {
		e.Message = strings.TrimSuffix(e.Message, ": "+e.Fix)
	}
	return e
}

// invalid is a request that cannot even be sent.
func invalid(field string, err error) *Error {
	return &Error{Code: codes.InvalidArgument, Reason: "INVALID_FIELD", Field: field, Message: err.Error()}
}

// reasonOf returns err's reason.
func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// A cure says what helps when a call has failed.
type cure uint8

const (
	nothing   cure = iota // the answer is an answer
	elsewhere             // another server may answer; this one cannot now
	later                 // the same or another server may answer shortly
)

// cureOf says what helps against e, of a call whose own time is not over.
func cureOf(e *Error) cure {
	switch e.Code {
	case codes.Unavailable:
		switch e.Reason {
		case "NO_LEADER", "SCHEMA_BUSY", "DISK_FULL":
			return later
		}
		return elsewhere
	case codes.DeadlineExceeded, codes.Canceled: // an attempt's own end, or the server's
		return elsewhere
	case codes.Unknown:
		if e.Reason == UnknownOutcome {
			return later
		}
	case codes.ResourceExhausted:
		switch e.Reason {
		case "OVERLOADED", "TOO_MANY_READS", "TOO_MANY_STREAMS", "SLOW_READER":
			return later
		}
	}
	return nothing
}
