package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// explain writes err as one line: what a server's status says, with the field,
// its value and what to do, or err's own words.
func explain(err error) string {
	var remote *remoteError
	if !errors.As(err, &remote) {
		return oneLine(err.Error())
	}
	text := remote.status.Message()
	switch remote.status.Code() {
	case codes.Unavailable:
		if reasonOf(remote.status) == "" {
			text = fmt.Sprintf("no server answers at %s (%s); start one with \"pemba serve\", or name another with --addr", remote.addr, lastClause(text))
		}
	case codes.DeadlineExceeded:
		text += "; --timeout gives it longer"
	}
	line := oneLine(withDetails(text, remote.status))
	if prefix, ok := strings.CutSuffix(err.Error(), remote.Error()); ok {
		return prefix + line
	}
	return line
}

// withDetails appends what the message does not say itself.
func withDetails(text string, s *status.Status) string {
	field, value, fix := "", "", ""
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				field = v.GetField()
			}
		case *errdetails.ErrorInfo:
			value, fix = d.GetMetadata()["value"], d.GetMetadata()["fix"]
		}
	}
	if field != "" && !strings.Contains(text, field) {
		text = field + ": " + text
	}
	if value != "" && !strings.Contains(text, value) {
		text += ": " + strconv.QuoteToGraphic(value)
	}
	if fix != "" && !strings.Contains(text, fix) {
		text += "; " + fix
	}
	return text
}

func reasonOf(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// lastClause is the end of a nested message, "connection refused" of a long tale.
func lastClause(s string) string {
	if i := strings.LastIndex(s, ": "); i >= 0 {
		s = s[i+2:]
	}
	return strings.Trim(s, `"`)
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}

// statusOf finds the gRPC status in err, with its own message.
func statusOf(err error) (*status.Status, bool) {
	var s interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &s) {
		return nil, false
	}
	return s.GRPCStatus(), true
}

// remoteError is a server's refusal or silence.
type remoteError struct {
	addr   string
	status *status.Status
}

func (e *remoteError) Error() string {
	return e.addr + ": " + e.status.Code().String() + ": " + e.status.Message()
}
