package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func streamed(t testing.TB, id uint64, question string, at *pembav1.Consistency) *pembav1.StreamCheckRequest {
	check := asks(t, question)
	check.Consistency = at
	return &pembav1.StreamCheckRequest{Id: id, Question: &pembav1.StreamCheckRequest_Check{Check: check}}
}

func (f *fixture) checkStream(t testing.TB) grpc.BidiStreamingClient[pembav1.StreamCheckRequest, pembav1.StreamCheckResponse] {
	t.Helper()
	stream, err := f.permissions.StreamCheck(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestStreamCheck_AnswersEachQuestionByItsID has thousands in flight, of every
// consistency, single and in batches.
func TestStreamCheck_AnswersEachQuestionByItsID(t *testing.T) {
	f := openWith(t)
	var texts []string
	for i := range 100 {
		texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:ann", 2*i))
	}
	token := f.touch(t, texts...)
	stream := f.checkStream(t)
	const n = 3000
	go func() {
		levels := []*pembav1.Consistency{nil, latest(), atLeast(token), exactly(token)}
		for i := range uint64(n) {
			request := streamed(t, i, fmt.Sprintf("doc:%d#view@user:ann", i%200), levels[i%4])
			if i%10 == 5 {
				check := request.GetCheck()
				item := &pembav1.BatchCheckItem{Object: check.GetObject(), Permission: check.GetPermission(), Subject: check.GetSubject()}
				request.Question = &pembav1.StreamCheckRequest_Batch{Batch: &pembav1.BatchCheckRequest{
					Items: []*pembav1.BatchCheckItem{item, item}, Consistency: check.GetConsistency(),
				}}
			}
			if err := stream.Send(request); err != nil {
				t.Error(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	seen := map[uint64]bool{}
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := pembav1.Decision_DECISION_DENIED
		if reply.GetId()%2 == 0 {
			want = pembav1.Decision_DECISION_ALLOWED
		}
		got := reply.GetCheck().GetDecision()
		if b := reply.GetBatch(); b != nil {
			got = b.GetResults()[1].GetDecision()
		}
		if seen[reply.GetId()] || got != want || reply.GetError() != nil {
			t.Fatalf("answer %d: %v", reply.GetId(), reply)
		}
		seen[reply.GetId()] = true
	}
	if len(seen) != n {
		t.Errorf("%d answers", len(seen))
	}
}

func TestStreamCheck_BadQuestionFailsAlone(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann")
	stream := f.checkStream(t)
	for i, request := range []*pembav1.StreamCheckRequest{
		{}, streamed(t, 0, "dok:a#view@user:ann", nil), streamed(t, 0, "doc:a#view@user:ann", atLeast("junk")), streamed(t, 0, "doc:a#view@user:ann", nil),
	} {
		request.Id = uint64(i)
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	got := map[uint64]string{}
	for range 4 {
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		e := reply.GetError()
		got[reply.GetId()] = strings.TrimSpace(reply.GetCheck().GetDecision().String() + " " + e.GetReason() + " " + e.GetField())
	}
	want := map[uint64]string{
		0: "DECISION_UNSPECIFIED MISSING_FIELD question", 1: "DECISION_UNSPECIFIED UNKNOWN_TYPE object.type",
		2: "DECISION_UNSPECIFIED MALFORMED_TOKEN consistency.at_least", 3: "DECISION_ALLOWED",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStreamCheck_SlowReaderHoldsItsOwnStreamUp: a client that does not read is
// held up by flow control; another stream goes on, and nothing piles up.
func TestStreamCheck_SlowReaderHoldsItsOwnStreamUp(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann")
	ctx, cancel := context.WithCancel(deadline(t))
	stalled, err := f.permissions.StreamCheck(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int, 1)
	go func() {
		n := 0
		for ; n < 1_000_000 && stalled.Send(streamed(t, 1, "doc:a#view@user:ann", nil)) == nil; n++ {
		}
		sent <- n
	}()
	other := f.checkStream(t)
	for range 2000 {
		if err := other.Send(streamed(t, 2, "doc:a#view@user:ann", nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if n := <-sent; n == 1_000_000 {
		t.Error("a client that reads nothing could send without end")
	}
}

func TestShutdown_EndsStreamsThatHaveNoEnd(t *testing.T) {
	f, s := openServer(t)
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	checks := f.checkStream(t)
	if err := checks.Send(streamed(t, 1, "doc:a#view@user:ann", nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := checks.Recv(); err != nil {
		t.Fatal(err)
	}
	watch, err := f.tuples.Watch(deadline(t), &pembav1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	imports, err := f.tuples.Import(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := imports.Send(startOf("x", false)); err != nil {
		t.Fatal(err)
	}
	if _, err := imports.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	_, err = checks.Recv()
	if reason(err) != "SHUTTING_DOWN" {
		t.Errorf("checks: %v", err)
	}
	if _, err = imports.Recv(); reason(err) != "SHUTTING_DOWN" {
		t.Errorf("import: %v", err)
	}
	for err = nil; err == nil; {
		_, err = watch.Recv()
	}
	if reason(err) != "SHUTTING_DOWN" || metadataOf(err)["token"] != first.GetToken() {
		t.Errorf("watch: %v", err)
	}
}

func startOf(id string, resume bool) *pembav1.ImportRequest {
	return &pembav1.ImportRequest{Part: &pembav1.ImportRequest_Start{Start: &pembav1.ImportStart{ImportId: id, Resume: resume}}}
}

func batchOfTexts(t testing.TB, sequence uint64, texts ...string) *pembav1.ImportRequest {
	batch := &pembav1.ImportBatch{Sequence: sequence}
	for _, text := range texts {
		batch.Tuples = append(batch.Tuples, parse(t, text))
	}
	return &pembav1.ImportRequest{Part: &pembav1.ImportRequest_Batch{Batch: batch}}
}

// TestImport_TellsEachDurableBatchAtOnce: a client that waits for each answer
// before it goes on is answered.
func TestImport_TellsEachDurableBatchAtOnce(t *testing.T) {
	f := openWith(t)
	stream, err := f.tuples.Import(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(startOf("load", false)); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		reply, err := stream.Recv()
		if err != nil || reply.GetDurableSequence() != i || reply.GetComplete() {
			t.Fatal(reply, err)
		}
		if err := stream.Send(batchOfTexts(t, i+1, fmt.Sprintf("doc:%d#viewer@user:ann", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var last *pembav1.ImportResponse
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = reply
	}
	if !last.GetComplete() || last.GetDurableSequence() != 5 {
		t.Errorf("got %v", last)
	}
	if got := f.ask(t, "doc:4#view@user:ann", exactly(last.GetToken())); got.GetDecision() != pembav1.Decision_DECISION_ALLOWED {
		t.Errorf("got %v", got)
	}
}

func TestImport_HostileStreams(t *testing.T) {
	f := openWith(t)
	twice := batchOfTexts(t, 1, "doc:a#viewer@user:ann", "doc:a#viewer@user:ann")
	broken := batchOfTexts(t, 1, "doc:a#viewer@user:ann")
	broken.GetBatch().Tuples[0].Object = nil
	for _, c := range []struct {
		messages []*pembav1.ImportRequest
		want     failure
	}{
		{nil, failure{codes.InvalidArgument, "MISSING_FIELD", "start", true}},
		{[]*pembav1.ImportRequest{{}}, failure{codes.InvalidArgument, "MISSING_FIELD", "start", true}},
		{[]*pembav1.ImportRequest{twice}, failure{codes.InvalidArgument, "MISSING_FIELD", "start", true}},
		{[]*pembav1.ImportRequest{startOf("a b", false)}, failure{codes.InvalidArgument, "INVALID_FIELD", "start.import_id", true}},
		{[]*pembav1.ImportRequest{startOf("", false), startOf("", false)}, failure{codes.InvalidArgument, "MISSING_FIELD", "batch", true}},
		{[]*pembav1.ImportRequest{startOf("", false), batchOfTexts(t, 1)}, failure{codes.InvalidArgument, "MISSING_FIELD", "batch.tuples", true}},
		{[]*pembav1.ImportRequest{startOf("", false), batchOfTexts(t, 0, "doc:a#viewer@user:ann")}, failure{codes.InvalidArgument, "INVALID_FIELD", "batch.sequence", true}},
		{[]*pembav1.ImportRequest{startOf("", false), twice}, failure{codes.InvalidArgument, "DUPLICATE_UPDATE", "batch.tuples[1]", true}},
		{[]*pembav1.ImportRequest{startOf("", false), broken}, failure{codes.InvalidArgument, "MISSING_FIELD", "batch.tuples[0].object.type", true}},
	} {
		stream, err := f.tuples.Import(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.messages {
			_ = stream.Send(m)
		}
		_ = stream.CloseSend()
		for err = nil; err == nil; {
			_, err = stream.Recv()
		}
		if diff := cmp.Diff(c.want, failureOf(err)); diff != "" {
			t.Errorf("%v: %s", c.messages, diff)
		}
	}
	if all, _, err := f.read(t, "doc", nil); err != nil || len(all) > 0 {
		t.Errorf("%v was written: %v", all, err)
	}
}

func TestListObjects_OverGRPC(t *testing.T) {
	f := openWith(t)
	var texts []string
	for i := range 1500 {
		texts = append(texts, fmt.Sprintf("doc:%04d#viewer@user:ann", i))
	}
	f.touch(t, append(texts, `doc:cond#viewer@user:ann[adult:{"minimum":18}]`)...)
	list := func(r *pembav1.ListObjectsRequest) (ids map[string]pembav1.Decision, last *pembav1.ListObjectsResponse) {
		t.Helper()
		r.Type, r.Permission, r.Subject = "doc", "view", &pembav1.Subject{Type: "user", Id: "ann"}
		stream, err := f.permissions.ListObjects(deadline(t), r)
		if err != nil {
			t.Fatal(err)
		}
		ids = map[string]pembav1.Decision{}
		for {
			reply, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return ids, last
			}
			if err != nil {
				t.Fatal(err)
			}
			last = reply
			for _, o := range reply.GetObjects() {
				if _, twice := ids[o.GetId()]; twice {
					t.Errorf("%s is listed twice", o.GetId())
				}
				ids[o.GetId()] = o.GetDecision()
			}
		}
	}
	all, last := list(&pembav1.ListObjectsRequest{})
	if len(all) != 1501 || all["cond"] != pembav1.Decision_DECISION_CONDITIONAL || last.GetCount() != 1501 || last.GetCursor() != "" || last.GetToken() == "" {
		t.Errorf("%d listed, last %v", len(all), last)
	}
	if some, _ := list(&pembav1.ListObjectsRequest{IdPrefix: "00"}); len(some) != 100 {
		t.Errorf("%d by prefix", len(some))
	}
	if none, last := list(&pembav1.ListObjectsRequest{CountOnly: true}); len(none) != 0 || last.GetCount() != 1501 || last.GetConditionalCount() != 1 {
		t.Errorf("count %v", last)
	}
	page, last := list(&pembav1.ListObjectsRequest{Limit: 700})
	rest, _ := list(&pembav1.ListObjectsRequest{Cursor: last.GetCursor()})
	if len(page) != 700 || len(rest) != 801 {
		t.Errorf("pages of %d and %d", len(page), len(rest))
	}
}

func TestExplain_OverGRPC(t *testing.T) {
	f := openWith(t, "doc:a#viewer@group:g#member", "group:g#member@user:ann", `doc:b#viewer@user:eve[adult:{"minimum":18}]`)
	explain := func(question, context string) *pembav1.ExplainResponse {
		t.Helper()
		check := asks(t, question)
		check.ContextJson = context
		reply, err := f.permissions.Explain(deadline(t), &pembav1.ExplainRequest{Check: check})
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	allowed := explain("doc:a#view@user:ann", "")
	if allowed.GetAnswer().GetDecision() != pembav1.Decision_DECISION_ALLOWED || !strings.Contains(allowed.GetText(), "group:g#member") ||
		allowed.GetWhy().GetOutcome() != pembav1.ExplainStep_OUTCOME_ALLOWED || allowed.GetWhy().GetKind() != pembav1.ExplainStep_KIND_PERMISSION {
		t.Errorf("got %v", allowed)
	}
	if denied := explain("doc:a#view@user:bob", ""); denied.GetAnswer().GetDecision() != pembav1.Decision_DECISION_DENIED {
		t.Errorf("got %v", denied)
	}
	if open := explain("doc:b#view@user:eve", ""); open.GetAnswer().GetDecision() != pembav1.Decision_DECISION_CONDITIONAL ||
		!cmp.Equal(open.GetAnswer().GetMissingContext(), []string{"age"}) {
		t.Errorf("got %v", open)
	}
	failed := explain("doc:b#view@user:eve", `{"age": "old"}`)
	if failed.GetAnswer().GetDecision() != pembav1.Decision_DECISION_UNSPECIFIED || failed.GetError().GetReason() != "INVALID_CONTEXT" {
		t.Errorf("got %v", failed)
	}
	tree, err := f.permissions.Expand(deadline(t), &pembav1.ExpandRequest{Object: &pembav1.Object{Type: "doc", Id: "a"}, Permission: "view", Depth: -1})
	if err != nil || tree.GetTree().GetKind() != pembav1.ExpandNode_KIND_PERMISSION || !strings.Contains(tree.GetText(), "user:ann") {
		t.Errorf("%v, %v", tree, err)
	}
}

// TestKinds_HaveTheSameNumbersOnTheWire, which protoTree and protoStep rely on.
func TestKinds_HaveTheSameNumbersOnTheWire(t *testing.T) {
	lower := func(prefix string, name string) string {
		return strings.ToLower(strings.TrimPrefix(name, prefix))
	}
	for n, name := range pembav1.ExpandNode_Kind_name {
		if n > 0 && authz.TreeKind(n).String() != lower("KIND_", name) {
			t.Errorf("%s is %s", name, authz.TreeKind(n))
		}
	}
	for n, name := range pembav1.ExplainStep_Kind_name {
		if n > 0 && authz.StepKind(n).String() != lower("KIND_", name) {
			t.Errorf("%s is %s", name, authz.StepKind(n))
		}
	}
	for n, name := range pembav1.ExplainStep_Outcome_name {
		if n > 0 && authz.Outcome(n).String() != lower("OUTCOME_", name) {
			t.Errorf("%s is %s", name, authz.Outcome(n))
		}
	}
	words := map[authz.ChangeKind]string{authz.Widened: "widened", authz.Narrowed: "narrowed", authz.Added: "added", authz.Removed: "removed", authz.Changed: "changed"}
	for n, name := range pembav1.SchemaChange_Kind_name {
		if n > 0 && words[authz.ChangeKind(n-1)] != lower("KIND_", name) {
			t.Errorf("%s is %s", name, authz.ChangeKind(n-1))
		}
	}
}

func TestWatch_StalledClientIsCutOffWhereItCanResume(t *testing.T) {
	f, s := openServer(t)
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	watch, err := f.tuples.Watch(ctx, &pembav1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	const rounds, each = 40, 500
	for i := range rounds {
		var texts []string
		for j := range each {
			texts = append(texts, fmt.Sprintf("doc:%d-%d#viewer@user:somebody-with-a-name-that-takes-room", i, j))
		}
		f.touch(t, texts...)
	}
	for len(s.streams.watches) > 0 && ctx.Err() == nil { // until the server gives up
		runtime.Gosched()
	}
	seen, token, before := 0, first.GetToken(), ""
	follow := func(w grpc.ServerStreamingClient[pembav1.WatchResponse]) (err error) {
		part := 0
		for seen < rounds*each {
			reply, err := w.Recv()
			if err != nil {
				return err
			}
			part += len(reply.GetChanges())
			if reply.GetToken() != "" { // a revision counts once it is whole
				seen, part, token, before = seen+part, 0, reply.GetToken(), token
			}
		}
		return nil
	}
	if err = follow(watch); err == nil {
		t.Error("a client that took nothing was not cut off")
	}
	for ; err != nil; err = follow(watch) {
		// The message that was waited for may still arrive, just as the server gives up.
		if told := metadataOf(err)["token"]; reason(err) != "SLOW_READER" || told != token && told != before {
			t.Fatalf("cut off with %v at %s, last seen %s", err, told, token)
		}
		if watch, err = f.tuples.Watch(ctx, &pembav1.WatchRequest{From: token}); err != nil {
			t.Fatal(err)
		}
	}
	if seen != rounds*each {
		t.Errorf("%d changes seen", seen)
	}
}

func TestTenants_OverGRPC(t *testing.T) {
	f := open(t)
	made, err := f.tenants.CreateTenant(deadline(t), &pembav1.CreateTenantRequest{Name: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Tenant: "acme", Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.schemas.ReadSchema(deadline(t), &pembav1.ReadSchemaRequest{Tenant: "acme", Consistency: atLeast(made.GetToken())}); err != nil {
		t.Fatal(err)
	}
	page, err := f.tenants.ListTenants(deadline(t), &pembav1.ListTenantsRequest{PageSize: 1})
	if err != nil || len(page.GetTenants()) != 1 || page.GetTenants()[0].GetName() != "acme" {
		t.Fatal(page, err)
	}
	page, err = f.tenants.ListTenants(deadline(t), &pembav1.ListTenantsRequest{PageToken: page.GetNextPageToken()})
	if err != nil || len(page.GetTenants()) != 1 || page.GetTenants()[0].GetName() != "default" || page.GetNextPageToken() != "" {
		t.Fatal(page, err)
	}
	if _, err := f.tenants.DeleteTenant(deadline(t), &pembav1.DeleteTenantRequest{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want failure
	}{
		{second(f.tenants.DeleteTenant(deadline(t), &pembav1.DeleteTenantRequest{Name: "acme"})), failure{codes.NotFound, "UNKNOWN_TENANT", "name", true}},
		{second(f.tenants.CreateTenant(deadline(t), &pembav1.CreateTenantRequest{Name: "default"})), failure{codes.AlreadyExists, "TENANT_EXISTS", "name", true}},
		{second(f.tenants.CreateTenant(deadline(t), &pembav1.CreateTenantRequest{})), failure{codes.InvalidArgument, "MISSING_FIELD", "name", true}},
		{second(f.tenants.ListTenants(deadline(t), &pembav1.ListTenantsRequest{PageSize: 5000})), failure{codes.InvalidArgument, "TOO_MANY", "page_size", true}},
	} {
		if diff := cmp.Diff(c.want, failureOf(c.err)); diff != "" {
			t.Error(diff)
		}
	}
}

func second[T any](_ T, err error) error { return err }
