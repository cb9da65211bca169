package main

import (
	"errors"
	"fmt"
	"regexp"
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
	if reasonOf(remote.status) == "" {
		text = transportText(remote)
	}
	line := oneLine(remote.withDetails(text))
	if prefix, ok := strings.CutSuffix(err.Error(), remote.Error()); ok {
		return prefix + line
	}
	return line
}

// transportText says what gRPC itself reports.
func transportText(e *remoteError) string {
	text := e.status.Message()
	switch code := e.status.Code(); {
	case code == codes.Unavailable && e.tls && strings.Contains(text, "certificate has expired or is not yet valid"):
		return fmt.Sprintf("no TLS with %s (%s); renew its certificate, or set the clock right", e.addr, lastClause(text))
	case code == codes.Unavailable && e.tls && (strings.Contains(text, "certificate is valid for ") || strings.Contains(text, "cannot validate certificate for ")):
		return fmt.Sprintf("no TLS with %s (%s); name it in --addr as its certificate does, or give it a certificate for this name", e.addr, lastClause(text))
	case code == codes.Unavailable && e.tls && handshakeFailed(text):
		return fmt.Sprintf("no TLS with %s (%s); --tls-ca names the authority of its certificate, --tls-cert and --tls-key one of your own", e.addr, lastClause(text))
	case code == codes.Unavailable && !e.tls && strings.Contains(text, "reading server preface"):
		return fmt.Sprintf("%s does not answer in plaintext (%s); give --tls or --tls-ca if it wants TLS", e.addr, lastClause(text))
	case code == codes.Unavailable:
		return fmt.Sprintf("no server answers at %s (%s); start one with \"pemba serve\", or name another with --addr", e.addr, lastClause(text))
	case code == codes.DeadlineExceeded:
		return fmt.Sprintf("no answer from %s in time; --timeout gives it longer", e.addr)
	case code == codes.ResourceExhausted:
		return text + "; send less at a time"
	}
	return text
}

// handshakeFailed reports whether a connection was made and not secured. A server
// that refuses the client's certificate may say so only after the client has
// begun to write, or not be heard.
func handshakeFailed(text string) bool {
	for _, sign := range []string{"handshake failed", "tls: ", "reading server preface", "broken pipe", "connection reset"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// withDetails writes what is wrong with the value, where, and what to do, each
// once: text is the message, which may hold all of it.
func (e *remoteError) withDetails(text string) string {
	field, value, fix := "", "", ""
	for _, d := range e.status.Details() {
		switch d := d.(type) {
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				field = v.GetField()
			}
		case *errdetails.ErrorInfo:
			value, fix = d.GetMetadata()["value"], d.GetMetadata()["fix"]
		}
	}
	if fix != "" {
		text = strings.TrimSuffix(text, ": "+fix)
	}
	text, field = e.atInput(text, field)
	if value != "" && !quotes(text, value) && reasonOf(e.status) != "SCHEMA_ORPHANS_TUPLES" { // whose message tells more
		text += ": " + strconv.QuoteToGraphic(value)
	}
	if field != "" && !strings.Contains(text, field) {
		text += ", in " + field
	}
	if fix != "" && !strings.Contains(text, fix) {
		text += "; " + fix
	}
	return text
}

// updateIndex is how a server names an update of a write, a tuple of a batch of
// an import, or an access binding or member of a change.
var updateIndex = regexp.MustCompile(`(?:updates|batch\.tuples|access_bindings|access_binding_deltas|member_deltas)\[(\d+)\]`)

// atInput begins text with the place of the update that field is about, and
// names other updates by their places. The field is then told.
func (e *remoteError) atInput(text, field string) (string, string) {
	if len(e.updates) == 0 {
		return text, field
	}
	told := text
	text = updateIndex.ReplaceAllStringFunc(text, func(index string) string {
		in, ok := e.update(index)
		switch {
		case !ok:
			return index
		case in.line == 0 && strings.Contains(told, in.text):
			return "another argument"
		}
		return in.place()
	})
	in, ok := e.update(field)
	if !ok {
		return text, field
	}
	if in.line > 0 || len(e.updates) > 1 && !strings.Contains(told, in.text) {
		text = in.place() + ": " + text
	}
	return text, ""
}

// update returns the update that a server names.
func (e *remoteError) update(name string) (in input, ok bool) {
	at := updateIndex.FindStringSubmatch(name)
	if at == nil {
		return in, false
	}
	i, err := strconv.Atoi(at[1])
	if err != nil || i >= len(e.updates) {
		return in, false
	}
	return e.updates[i], true
}

// placed lets err name the updates of a write by their places in the input. It
// keeps updates.
func placed(err error, updates []input) error {
	var remote *remoteError
	if errors.As(err, &remote) {
		remote.updates = updates
	}
	return err
}

// quotes reports whether text shows value, or the beginning of a long one.
func quotes(text, value string) bool {
	const most = 64
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "")
	}
	return strings.Contains(text, value) || strings.Contains(text, strings.Trim(strconv.Quote(value), `"`))
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
	if _, why, ok := strings.Cut(s, "x509: "); ok {
		return strings.Trim(why, `"`) // whose clauses belong together
	}
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
	addr    string
	status  *status.Status
	updates []input // of the write that was refused, nil = another request
	tls     bool    // the connection was to be secured
}

func (e *remoteError) Error() string {
	return e.addr + ": " + e.status.Code().String() + ": " + e.status.Message()
}
