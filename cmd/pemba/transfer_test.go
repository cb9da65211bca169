package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// importer is a server that keeps what is imported, and breaks when a test says.
type importer struct {
	pb.UnimplementedTupleServiceServer
	pb.UnimplementedSchemaServiceServer
	mu       sync.Mutex
	stored   map[string]string // key -> tuple
	progress map[string]uint64 // of imports that have not ended

	breakAt int  // the stream that brings this batch breaks, 0 = none
	written bool // that batch is written before it does
	dead    bool // from then on no stream comes about
	forgets bool // what is durable is forgotten then

	recreated bool // the tenant is another one
	losing    int  // ends of imports that are not told
	starts    []*pb.ImportStart
	batches   []*pb.ImportBatch // all that came
}

func newImporter() *importer {
	return &importer{stored: map[string]string{}, progress: map[string]uint64{}}
}

var errGone = status.Error(codes.Unavailable, "gone")

func (s *importer) Import(stream grpc.BidiStreamingServer[pb.ImportRequest, pb.ImportResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	id, durable, err := s.begin(first.GetStart())
	if err != nil {
		return err
	}
	for {
		if err := stream.Send(&pb.ImportResponse{DurableSequence: durable, Token: fmt.Sprint("t", durable)}); err != nil {
			return err
		}
		request, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := s.take(id, durable, request.GetBatch()); err != nil {
			return err
		}
		durable = request.GetBatch().GetSequence()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.progress, id)
	if s.losing > 0 {
		s.losing--
		return errGone
	}
	return stream.Send(&pb.ImportResponse{DurableSequence: durable, Token: fmt.Sprint("t", durable), Complete: true})
}

func (s *importer) ReadSchema(context.Context, *pb.ReadSchemaRequest) (*pb.ReadSchemaResponse, error) {
	if s.recreated {
		return nil, status.Error(codes.InvalidArgument, "the token is of another tenant")
	}
	return &pb.ReadSchemaResponse{}, nil
}

func (s *importer) begin(start *pb.ImportStart) (id string, durable uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = append(s.starts, start)
	if s.dead && s.breakAt < 0 {
		return "", 0, errGone
	}
	if !start.GetResume() {
		delete(s.progress, start.GetImportId())
	}
	return start.GetImportId(), s.progress[start.GetImportId()], nil
}

// take writes a batch, which must follow what is durable and change no tuple twice.
func (s *importer) take(id string, durable uint64, b *pb.ImportBatch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, b)
	broken := len(s.batches) == s.breakAt
	if broken {
		s.breakAt = -1
		if s.forgets {
			defer clear(s.progress)
		}
		if !s.written {
			return errGone
		}
	}
	if durable > 0 && b.GetSequence() != durable+uint64(len(b.GetTuples())) {
		return status.Errorf(codes.InvalidArgument, "batch of %d up to %d behind %d", len(b.GetTuples()), b.GetSequence(), durable)
	}
	keys := map[string]bool{}
	for i, m := range b.GetTuples() {
		t := tupleFrom(m)
		if keys[t.Key().String()] {
			return status.Errorf(codes.InvalidArgument, "batch.tuples[%d] comes twice", i)
		}
		keys[t.Key().String()] = true
		s.stored[t.Key().String()] = t.String()
	}
	s.progress[id] = b.GetSequence()
	if broken {
		return errGone
	}
	return nil
}

func serveImporter(t *testing.T, s *importer) (addr string) {
	t.Helper()
	l := listen(t)
	server := grpc.NewServer()
	pb.RegisterTupleServiceServer(server, s)
	pb.RegisterSchemaServiceServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// importTestFile writes n tuples to a file and returns what an import leaves.
func importTestFile(t *testing.T, n int) (name string, want map[string]string) {
	t.Helper()
	var text strings.Builder
	want = map[string]string{}
	for i := range n {
		key := fmt.Sprintf("doc:%d#viewer@user:ann", i)
		fmt.Fprintf(&text, "%s\n// a comment\n\n", key)
		want[key] = key
	}
	name = filepath.Join(t.TempDir(), "some tuples.txt")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name, want
}

func TestImport_GoesOnByItselfWhereverItBreaks(t *testing.T) {
	const tuples, batch = 23, 2
	name, want := importTestFile(t, tuples)
	for at := 1; at <= (tuples+batch-1)/batch; at++ {
		for _, written := range []bool{false, true} {
			s := newImporter()
			s.breakAt, s.written = at, written
			addr := serveImporter(t, s)
			status, out, said := pemba("", "tuple", "import", name, "--batch", fmt.Sprint(batch), "--addr", addr)
			if status != exitOK || out != fmt.Sprintf("t%d\n", tuples) || said != "" {
				t.Errorf("broken at %d, written %v: status %d, %s%s", at, written, status, out, said)
			}
			if diff := cmp.Diff(want, s.stored); diff != "" {
				t.Errorf("broken at %d, written %v: %s", at, written, diff)
			}
			if len(s.starts) != 2 || s.starts[0].GetResume() {
				t.Errorf("broken at %d: it began with %v", at, s.starts)
			}
		}
	}
}

var resumeLine = regexp.MustCompile(`(?m)^resume with: pemba tuple import '(.*)' (.*)$`)

func TestImport_ResumesWhereverItEnded(t *testing.T) {
	const tuples, batch = 11, 2
	name, want := importTestFile(t, tuples)
	for at := 2; at <= (tuples+batch-1)/batch; at++ {
		s := newImporter()
		s.breakAt, s.written, s.dead = at, at%2 == 0, true
		addr := serveImporter(t, s)
		status, out, said := pemba("", "tuple", "import", name, "--batch", fmt.Sprint(batch), "--addr", addr, "--timeout", "300ms")
		how := resumeLine.FindStringSubmatch(said)
		if status != exitError || out != "" || how == nil || how[1] != name {
			t.Fatalf("broken at %d: status %d, %s%s", at, status, out, said)
		}
		before := maps.Clone(s.progress)
		s.dead, s.starts = false, nil
		// Another size of batches, to go on in the midst of one.
		status, out, said = pemba("", append([]string{"tuple", "import", name, "--timeout", "10s"}, strings.Fields(strings.Replace(how[2], "--batch 2", "--batch 3", 1))...)...)
		if status != exitOK || out != fmt.Sprintf("t%d\n", tuples) {
			t.Errorf("broken at %d: resumed with status %d, %s%s", at, status, out, said)
		}
		if diff := cmp.Diff(want, s.stored); diff != "" {
			t.Errorf("broken at %d behind %v: %s", at, before, diff)
		}
		if !s.starts[0].GetResume() {
			t.Errorf("broken at %d: it began anew", at)
		}
	}
}

func TestImport_IsDoneWhenOnlyItsEndIsNotTold(t *testing.T) {
	name, want := importTestFile(t, 5)
	s := newImporter()
	s.losing = 1
	status, out, said := pemba("", "tuple", "import", name, "--batch", "2", "--addr", serveImporter(t, s))
	if status != exitOK || out != "t5\n" {
		t.Errorf("status %d, %s%s", status, out, said)
	}
	if diff := cmp.Diff(want, s.stored); diff != "" {
		t.Error(diff)
	}
}

// The last batches are written and the end of the import, too, but no answer says so.
func TestImport_AsksForItsTenantWhenItsEndIsForgotten(t *testing.T) {
	name, want := importTestFile(t, 7)
	for _, recreated := range []bool{false, true} {
		s := newImporter()
		s.breakAt, s.written, s.forgets, s.recreated = 4, true, true, recreated
		status, out, said := pemba("", "tuple", "import", name, "--batch", "2", "--addr", serveImporter(t, s))
		if recreated && (status != exitError || !strings.Contains(said, "another tenant")) || !recreated && (status != exitOK || out != "t7\n") {
			t.Errorf("recreated %v: status %d, %s%s", recreated, status, out, said)
		}
		if diff := cmp.Diff(want, s.stored); !recreated && diff != "" {
			t.Error(diff)
		}
	}
}

func TestImport_BeginsAnewWithoutResumeEvenWhenTheStartBreaks(t *testing.T) {
	name, want := importTestFile(t, 6)
	s := newImporter()
	status, _, said := pemba("", "tuple", "import", name, "--id", "x", "--batch", "2", "--addr", serveImporter(t, s))
	if status != exitOK {
		t.Fatalf("status %d, %s", status, said)
	}
	clear(s.stored)
	s.progress["x"] = 4 // of a run that was cut off
	s.breakAt, s.batches = 1, nil
	status, _, said = pemba("", "tuple", "import", name, "--id", "x", "--batch", "2", "--addr", serveImporter(t, s))
	if status != exitOK {
		t.Fatalf("status %d, %s", status, said)
	}
	if diff := cmp.Diff(want, s.stored); diff != "" {
		t.Error(diff)
	}
}

func TestImport_DoesNotGoOnInATenantThatHasForgottenIt(t *testing.T) {
	name, _ := importTestFile(t, 9*maxUnanswered)
	s := newImporter()
	s.breakAt, s.forgets = 3, true
	status, out, said := pemba("", "tuple", "import", name, "--batch", "2", "--addr", serveImporter(t, s))
	if status != exitError || out != "" || !strings.Contains(said, "after 4 tuples that were written: the cluster has forgotten import") {
		t.Errorf("status %d, %s%s", status, out, said)
	}
}

func TestImport_WithoutAnIDEndsWhenItBreaks(t *testing.T) {
	s := newImporter()
	s.breakAt, s.written = 2, true
	status, out, said := pemba("a:1#b@c:d\na:2#b@c:d\na:3#b@c:d\n", "tuple", "import", "-", "--batch", "1", "--addr", serveImporter(t, s))
	if status != exitError || out != "" || !strings.HasPrefix(said, "pemba: after 1 tuple that was written: no server answers") ||
		!strings.HasSuffix(said, "\nmore tuples may have been written; importing all of them again is safe\n") || len(s.starts) != 1 {
		t.Errorf("status %d, %d starts, %s%s", status, len(s.starts), out, said)
	}
}

func TestImport_TheLaterOfTwoLinesWins(t *testing.T) {
	s := newImporter()
	in := "a:1#b@c:d\na:2#b@c:d\na:1#b@c:d[x]\n" + `{"object":"a:2","relation":"b","subject":"c:d","expires":"2030-01-02T03:04:05Z"}` + "\n"
	status, _, said := pemba(in, "tuple", "import", "-", "--addr", serveImporter(t, s))
	want := map[string]string{"a:1#b@c:d": "a:1#b@c:d[x]", "a:2#b@c:d": "a:2#b@c:d[expiration:2030-01-02T03:04:05Z]"}
	if diff := cmp.Diff(want, s.stored); status != exitOK || diff != "" || len(s.batches) != 2 {
		t.Errorf("status %d, %d batches, %s%s", status, len(s.batches), said, diff)
	}
}

func TestImport_WritesWhatStandsBeforeAMistakeAndNamesItsLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(name, []byte("a:1#b@c:d\n\na:2#b@c:d\nnonsense\na:3#b@c:d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newImporter()
	status, _, said := pemba("", "tuple", "import", name, "--addr", serveImporter(t, s))
	if status != exitError || len(s.stored) != 2 || !strings.Contains(said, "after 2 tuples that were written: "+name+":4: tuple \"nonsense\"") {
		t.Errorf("status %d, %v, %s", status, s.stored, said)
	}
	// The mended file has another content; the id is named, so that it goes on.
	if !regexp.MustCompile(`\nresume with: pemba tuple import \S+ --addr \S+ --id [0-9a-f]{16}-bad --resume\n$`).MatchString(said) {
		t.Error(said)
	}
}

func TestImport_SendsAheadOfTheAnswers(t *testing.T) {
	s := &lateImporter{}
	l := listen(t)
	server := grpc.NewServer()
	pb.RegisterTupleServiceServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	name, _ := importTestFile(t, 3*maxUnanswered)
	status, out, said := pemba("", "tuple", "import", name, "--batch", "1", "--addr", l.Addr().String(), "--timeout", "5s")
	if status != exitOK {
		t.Errorf("status %d, %s%s", status, out, said)
	}
}

// lateImporter answers a batch only when maxUnanswered are there.
type lateImporter struct {
	pb.UnimplementedTupleServiceServer
}

func (*lateImporter) Import(stream grpc.BidiStreamingServer[pb.ImportRequest, pb.ImportResponse]) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.Send(&pb.ImportResponse{}); err != nil {
		return err
	}
	var waiting []uint64
	for {
		request, err := stream.Recv()
		if err != nil && err != io.EOF {
			return err
		}
		if err == nil {
			waiting = append(waiting, request.GetBatch().GetSequence())
		}
		if err == nil && len(waiting) < maxUnanswered {
			continue
		}
		reply := &pb.ImportResponse{Complete: len(waiting) == 0}
		if len(waiting) > 0 {
			reply.DurableSequence, waiting = waiting[0], waiting[1:]
		}
		if err := stream.Send(reply); err != nil || reply.Complete {
			return err
		}
	}
}

func TestShellWord_IsReadBackByAShell(t *testing.T) {
	for word, want := range map[string]string{"all.tuples": "all.tuples", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellWord(word); got != want {
			t.Errorf("%q: %s, not %s", word, got, want)
		}
	}
}

func TestProgress_RewritesOneLine(t *testing.T) {
	var out strings.Builder
	p := &progress{to: &out, what: "tuples", start: time.Now().Add(-2 * time.Second), from: 10}
	p.show(30)
	p.show(40) // too soon
	p.done(50)
	want := regexp.MustCompile(`^\r30 tuples, 10/s, 2s\x1b\[K\r50 tuples, 20/s, 2s\x1b\[K\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
	var none *progress
	none.show(1)
	none.done(1)
}
