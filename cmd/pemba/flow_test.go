package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// streamer answers streaming methods by a script: each call sends the messages
// of the next act.
type streamer struct {
	pb.UnimplementedTupleServiceServer
	pb.UnimplementedPermissionServiceServer
	mu    sync.Mutex
	acts  []act
	asked []proto.Message
}

// act is what one call does: messages, then an end.
type act struct {
	messages []proto.Message
	end      error // nil = the stream is complete
	hang     bool  // there is no end
}

func play[R any](s *streamer, asked proto.Message, stream grpc.ServerStreamingServer[R]) error {
	s.mu.Lock()
	s.asked = append(s.asked, asked)
	if len(s.acts) == 0 {
		s.mu.Unlock()
		return status.Error(codes.Internal, "no act is left")
	}
	now := s.acts[0]
	s.acts = s.acts[1:]
	s.mu.Unlock()
	for _, m := range now.messages {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	if now.hang {
		return hang(stream.Context())
	}
	return now.end
}

func (s *streamer) Read(r *pb.ReadRequest, stream grpc.ServerStreamingServer[pb.ReadResponse]) error {
	return play(s, r, stream)
}

func (s *streamer) Export(r *pb.ExportRequest, stream grpc.ServerStreamingServer[pb.ExportResponse]) error {
	return play(s, r, stream)
}

func (s *streamer) DeleteMatching(r *pb.DeleteMatchingRequest, stream grpc.ServerStreamingServer[pb.DeleteMatchingResponse]) error {
	return play(s, r, stream)
}

func (s *streamer) Watch(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	return play(s, r, stream)
}

func (s *streamer) ListObjects(r *pb.ListObjectsRequest, stream grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
	return play(s, r, stream)
}

func (s *streamer) ListSubjects(r *pb.ListSubjectsRequest, stream grpc.ServerStreamingServer[pb.ListSubjectsResponse]) error {
	return play(s, r, stream)
}

func serveStreamer(t *testing.T, acts ...act) (s *streamer, addr string) {
	t.Helper()
	s = &streamer{acts: acts}
	l := listen(t)
	server := grpc.NewServer()
	pb.RegisterTupleServiceServer(server, s)
	pb.RegisterPermissionServiceServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return s, l.Addr().String()
}

// refused is an error as a server of pemba gives it.
func refused(code codes.Code, reason string) error {
	st, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{Reason: reason})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func tuples(texts ...string) []*pb.Tuple {
	var out []*pb.Tuple
	for _, text := range texts {
		t, err := parseTupleLine(text)
		if err != nil {
			panic(err)
		}
		out = append(out, tupleMessage(t))
	}
	return out
}

// objects are messages of a list, each with one object; the last has no cursor.
func objects(first, last int, complete bool) []proto.Message {
	var out []proto.Message
	for i := first; i <= last; i++ {
		m := &pb.ListObjectsResponse{
			Objects: []*pb.ListedObject{{Id: fmt.Sprint(i), Decision: pb.Decision_DECISION_ALLOWED}},
			Count:   int64(i - first + 1), Token: "t", Cursor: fmt.Sprint("c", i),
		}
		if complete && i == last {
			m.Cursor = ""
		}
		out = append(out, m)
	}
	return out
}

func TestFlow_GoesOnBehindTheLastMessage(t *testing.T) {
	s, addr := serveStreamer(t,
		act{messages: objects(1, 2, false), end: errGone},
		act{end: errGone},
		act{messages: objects(3, 3, false), end: refused(codes.ResourceExhausted, "SLOW_READER")},
		act{messages: objects(4, 5, true)})
	code, out, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--latest", "--limit", "9", "--addr", addr)
	if code != exitOK || out != "doc:1\ndoc:2\ndoc:3\ndoc:4\ndoc:5\n" || said != "" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
	var asked []string
	for _, m := range s.asked {
		q := m.(*pb.ListObjectsRequest)
		asked = append(asked, fmt.Sprintf("%q limit %d latest %v", q.GetCursor(), q.GetLimit(), q.GetConsistency().GetLatest() != nil))
	}
	want := []string{`"" limit 9 latest true`, `"c2" limit 7 latest false`, `"c2" limit 7 latest false`, `"c3" limit 6 latest false`}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestFlow_IsCompleteWhenOnlyItsEndIsLost(t *testing.T) {
	for _, limit := range []string{"0", "2"} {
		_, addr := serveStreamer(t, act{messages: objects(1, 2, limit == "0"), end: errGone})
		code, out, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--limit", limit, "--addr", addr)
		more := ""
		if limit == "2" {
			more = "more: --cursor c2\n"
		}
		if code != exitOK || out != "doc:1\ndoc:2\n" || said != more {
			t.Errorf("limit %s: status %d, %s%s", limit, code, out, said)
		}
	}
}

func TestFlow_DoesNotGoOnAfterARefusal(t *testing.T) {
	s, addr := serveStreamer(t, act{messages: objects(1, 1, false), end: refused(codes.FailedPrecondition, "READS_LIMIT")})
	code, out, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--addr", addr)
	if code != exitError || out != "doc:1\n" || said != "pemba: no\ngo on with: --cursor c1\n" || len(s.asked) != 1 {
		t.Errorf("status %d, %d asked, %s%s", code, len(s.asked), out, said)
	}
}

func TestFlow_AServerThatHangsInTheMiddleIsLeft(t *testing.T) {
	_, first := serveStreamer(t, act{messages: objects(1, 1, false), hang: true})
	_, second := serveStreamer(t, act{messages: objects(2, 2, true)})
	code, out, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--addr", first+","+second, "--timeout", "200ms")
	if code != exitOK || out != "doc:1\ndoc:2\n" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
}

func TestFlow_EndsWhenNothingComesWithinTheTimeout(t *testing.T) {
	_, addr := serveStreamer(t, act{messages: objects(1, 1, false), hang: true}, act{hang: true}, act{hang: true}, act{hang: true})
	code, _, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--addr", addr, "--timeout", "100ms")
	if code != exitError || !strings.HasPrefix(said, "pemba: no answer from "+addr+" in time") {
		t.Errorf("status %d, %s", code, said)
	}
}

func TestList_PrintsWhatDependsAndWhatCannotBeDecided(t *testing.T) {
	messages := []proto.Message{&pb.ListSubjectsResponse{Count: 4, Token: "t", Subjects: []*pb.ListedSubject{
		{Id: "*", Decision: pb.Decision_DECISION_ALLOWED},
		{Id: "bob", Decision: pb.Decision_DECISION_DENIED},
		{Id: "kim", Decision: pb.Decision_DECISION_CONDITIONAL, MissingContext: []string{"hour", "ip"}},
		{Id: "zoe", Error: &pb.Error{Reason: "DEPTH_LIMIT", Message: "too deep", Fix: "look"}},
	}}}
	_, addr := serveStreamer(t, act{messages: messages}, act{messages: messages})
	code, out, said := pemba("", "list", "subjects", "doc:1", "view", "user", "--addr", addr)
	want := "user:*\nuser:bob  except\nuser:kim  conditional on hour, ip\n"
	if code != exitError || out != want || said != "pemba: user:zoe: too deep; look\n" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
	code, out, _ = pemba("", "list", "subjects", "doc:1", "view", "user", "--json", "--addr", addr)
	want = `{"subject":"user:*","decision":"allowed"}
{"subject":"user:bob","decision":"denied"}
{"subject":"user:kim","decision":"conditional","missing_context":["hour","ip"]}
{"subject":"user:zoe","error":{"reason":"DEPTH_LIMIT","message":"too deep","fix":"look"}}
{"count":4,"token":"t","decision_time":"1970-01-01T00:00:00Z"}
`
	if code != exitError || out != want {
		t.Errorf("status %d, %s", code, cmp.Diff(want, out))
	}
}

func TestList_CountsWhatBrokenStreamsListed(t *testing.T) {
	_, addr := serveStreamer(t,
		act{messages: []proto.Message{&pb.ListObjectsResponse{Count: 5, Cursor: "c5"}}, end: errGone},
		act{messages: []proto.Message{&pb.ListObjectsResponse{Count: 3}}})
	code, out, said := pemba("", "list", "objects", "doc", "view", "user:ann", "--count", "--addr", addr)
	if code != exitOK || out != "8\n" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
}

func TestList_CountSaysWhatIsUndecided(t *testing.T) {
	messages := []proto.Message{&pb.ListSubjectsResponse{Count: 9, ConditionalCount: 4, UndecidedCount: 2, ExceptedCount: 1}}
	_, addr := serveStreamer(t, act{messages: messages}, act{messages: messages})
	code, out, said := pemba("", "list", "subjects", "doc:1", "view", "user", "--count", "--addr", addr)
	want := "pemba: of these, conditional on context that was not given: 4\npemba: of these, excepted from the wildcard: 1\npemba: of these, undecided: 2\n"
	if code != exitError || out != "9\n" || said != want {
		t.Errorf("status %d, %s%s", code, out, said)
	}
	code, out, _ = pemba("", "list", "subjects", "doc:1", "view", "user", "--count", "--json", "--addr", addr)
	want = `{"count":9,"conditional":4,"excepted":1,"undecided":2,"token":"","decision_time":"1970-01-01T00:00:00Z"}` + "\n"
	if code != exitError || out != want {
		t.Errorf("status %d, %s", code, cmp.Diff(want, out))
	}
}

func TestRead_PagesByLimitAndCursor(t *testing.T) {
	page := &pb.ReadResponse{Tuples: tuples("doc:1#viewer@user:ann", "doc:2#viewer@user:ann"), Token: "t", Cursor: "c2"}
	s, addr := serveStreamer(t, act{messages: []proto.Message{page}}, act{messages: []proto.Message{&pb.ReadResponse{Token: "t"}}})
	code, out, said := pemba("", "tuple", "read", "doc", "--limit", "2", "--addr", addr)
	if code != exitOK || out != "doc:1#viewer@user:ann\ndoc:2#viewer@user:ann\n" || said != "more: --cursor c2\n" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
	code, out, said = pemba("", "tuple", "read", "doc", "--limit", "2", "--cursor", "c2", "--addr", addr)
	if code != exitOK || out+said != "" || s.asked[1].(*pb.ReadRequest).GetCursor() != "c2" {
		t.Errorf("status %d, %s%s", code, out, said)
	}
}

func TestRead_IsCompleteWhenItBreaksAtTheLimit(t *testing.T) {
	page := &pb.ReadResponse{Tuples: tuples("doc:1#viewer@user:ann", "doc:2#viewer@user:ann"), Token: "t", Cursor: "c2"}
	s, addr := serveStreamer(t, act{messages: []proto.Message{page}, end: errGone}, act{messages: []proto.Message{page}})
	code, out, said := pemba("", "tuple", "read", "doc", "--limit", "2", "--addr", addr)
	if code != exitOK || strings.Count(out, "\n") != 2 || said != "more: --cursor c2\n" || len(s.asked) != 1 {
		t.Errorf("status %d, %d asked, %s%s", code, len(s.asked), out, said)
	}
}

func exported(cursor string, texts ...string) *pb.ExportResponse {
	return &pb.ExportResponse{Schema: "definition user {}", Tuples: tuples(texts...), Token: "t", Cursor: cursor}
}

func TestExport_GoesOnAndWritesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	name, schema := filepath.Join(dir, "all"), filepath.Join(dir, "schema.zed")
	_, addr := serveStreamer(t,
		act{messages: []proto.Message{exported("c1", "doc:1#viewer@user:ann")}, end: errGone},
		act{messages: []proto.Message{exported("", "doc:2#viewer@user:ann[open]")}})
	code, out, said := pemba("", "tuple", "export", "--out", name, "--schema-file", schema, "--addr", addr)
	if code != exitOK || out != "t\n" || said != "" {
		t.Fatalf("status %d, %s%s", code, out, said)
	}
	for file, want := range map[string]string{name: "doc:1#viewer@user:ann\ndoc:2#viewer@user:ann[open]\n", schema: "definition user {}\n"} {
		if data, err := os.ReadFile(file); err != nil || string(data) != want {
			t.Errorf("%s: %v, %q", file, err, data)
		}
	}
}

func TestExport_LeavesNoFileWhenItFails(t *testing.T) {
	dir := t.TempDir()
	_, addr := serveStreamer(t, act{
		messages: []proto.Message{exported("c1", "doc:1#viewer@user:ann")}, end: refused(codes.OutOfRange, "CURSOR_TOO_OLD"),
	})
	code, out, said := pemba("", "tuple", "export", "--out", filepath.Join(dir, "all"), "--addr", addr)
	entries, err := os.ReadDir(dir)
	if code != exitError || out != "" || err != nil || len(entries) > 0 {
		t.Errorf("status %d, %s%s, %v, %v", code, out, said, entries, err)
	}
}

func TestDeleteMatching_GoesOnUntilNothingIsLeft(t *testing.T) {
	s, addr := serveStreamer(t,
		act{messages: []proto.Message{&pb.DeleteMatchingResponse{Deleted: 2, Token: "t2"}}, end: errGone},
		act{messages: []proto.Message{&pb.DeleteMatchingResponse{Deleted: 3, Token: "t5"}}}, // the server's own limit
		act{messages: []proto.Message{&pb.DeleteMatchingResponse{Deleted: 1, Complete: true, Token: "t6"}}})
	code, out, said := pemba("", "tuple", "delete", "--filter", "doc", "--addr", addr)
	if code != exitOK || out != "t6\n" || said != "deleted 6 tuples\n" || len(s.asked) != 3 {
		t.Errorf("status %d, %d asked, %s%s", code, len(s.asked), out, said)
	}
}

func TestDeleteMatching_ALimitStandsNoRepetition(t *testing.T) {
	s, addr := serveStreamer(t,
		act{messages: []proto.Message{&pb.DeleteMatchingResponse{Deleted: 2, Token: "t2"}}, end: errGone},
		act{end: errGone},
		act{messages: []proto.Message{&pb.DeleteMatchingResponse{Deleted: 3, Token: "t3"}}})
	for _, want := range []string{
		"pemba: after 2 tuples that were deleted, and perhaps some more (the same command goes on): no server answers at ",
		"pemba: after 0 tuples that were deleted, and perhaps some more (the same command goes on): no server answers at ",
		"deleted 3 tuples, the limit; there may be more\n",
	} {
		if _, _, said := pemba("", "tuple", "delete", "--filter", "doc", "--limit", "3", "--addr", addr); !strings.HasPrefix(said, want) {
			t.Error(said)
		}
	}
	if len(s.asked) != 3 {
		t.Errorf("asked %d times", len(s.asked))
	}
}

func TestWatch_PrintsEachRevisionOnceWhateverBreaks(t *testing.T) {
	change := func(op pb.TupleChange_Operation, text string) *pb.TupleChange {
		return &pb.TupleChange{Operation: op, Tuple: tuples(text)[0]}
	}
	added := change(pb.TupleChange_OPERATION_TOUCHED, "doc:1#viewer@user:ann")
	gone := change(pb.TupleChange_OPERATION_DELETED, "doc:2#viewer@user:ann")
	s, addr := serveStreamer(t,
		act{messages: []proto.Message{&pb.WatchResponse{Token: "t0"}, &pb.WatchResponse{Changes: []*pb.TupleChange{added}}}, end: errGone},
		act{messages: []proto.Message{
			&pb.WatchResponse{Token: "t0"},
			&pb.WatchResponse{Changes: []*pb.TupleChange{added}, SchemaChanged: true},
			&pb.WatchResponse{Changes: []*pb.TupleChange{gone}, Token: "t1"},
			&pb.WatchResponse{Token: "t1"},
			&pb.WatchResponse{Token: "t2"},
		}, end: refused(codes.ResourceExhausted, "SLOW_READER")},
		act{end: refused(codes.OutOfRange, "TOKEN_TOO_OLD")})
	code, out, said := pemba("", "tuple", "watch", "--tokens", "--types", "doc,folder", "--addr", addr)
	want := "token t0\nschema changed\n+ doc:1#viewer@user:ann\n- doc:2#viewer@user:ann\ntoken t1\ntoken t2\n"
	if code != exitError || out != want {
		t.Errorf("status %d, %s", code, cmp.Diff(want, out))
	}
	if strings.Count(said, "the watch broke and goes on") != 2 || !strings.HasSuffix(said, "\npemba: no\n") {
		t.Error(said)
	}
	var from []string
	for _, m := range s.asked {
		from = append(from, m.(*pb.WatchRequest).GetFrom())
		if diff := cmp.Diff([]string{"doc", "folder"}, m.(*pb.WatchRequest).GetObjectTypes()); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]string{"", "t0", "t2"}, from); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_GivesUpWhenItCannotBegin(t *testing.T) {
	l := listen(t)
	l.Close()
	code, out, said := pemba("", "tuple", "watch", "--from", "t", "--addr", l.Addr().String())
	if code != exitError || out != "" || !strings.HasPrefix(said, "pemba: no server answers at ") || strings.Contains(said, "resume") {
		t.Errorf("status %d, %s%s", code, out, said)
	}
}

func TestWatch_SaysWhereToResumeWhenItIsInterrupted(t *testing.T) {
	_, addr := serveStreamer(t, act{messages: []proto.Message{&pb.WatchResponse{Token: "t7"}}, hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	out := &signalWriter{want: "token t7\n", then: cancel}
	a := &app{out: out, err: out, addrs: addr, timeout: 1 << 40}
	s, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = (&watch{app: a, tokens: true}).run(ctx, s)
	hint, ok := err.(*hinted)
	if !ok || hint.hint != "resume with --from t7" || !hint.always {
		t.Errorf("%#v", err)
	}
}

// signalWriter calls then when want is written.
type signalWriter struct {
	want string
	then func()
}

func (w *signalWriter) Write(p []byte) (int, error) {
	if string(p) == w.want {
		w.then()
	}
	return len(p), nil
}
