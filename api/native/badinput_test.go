package native

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// A refusal is a request with one mistake and what its sender must get.
type refusal struct {
	name string
	call func(t *testing.T) error
	want failure
}

// requireRefusals runs each request and compares status, reason and field.
func requireRefusals(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		err := r.call(t)
		got := failureOf(err)
		got.Fix = got.Fix && r.want.Fix // one more fix than wanted is fine
		if diff := cmp.Diff(r.want, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", r.name, err, diff)
		}
	}
}

func refused(reason, field string) failure {
	return failure{Code: codes.InvalidArgument, Reason: reason, Field: field, Fix: true}
}

func TestBadInput_Check(t *testing.T) {
	f := openWith(t, `doc:readme#viewer@user:ann[adult:{"minimum":18}]`)
	check := func(spoil func(*pembav1.CheckRequest)) func(*testing.T) error {
		return func(t *testing.T) error {
			request := asks(t, "doc:readme#view@user:ann")
			spoil(request)
			_, err := f.permissions.Check(deadline(t), request)
			return err
		}
	}
	requireRefusals(t, []refusal{
		{"unknown type", check(func(r *pembav1.CheckRequest) { r.Object.Type = "dok" }), refused("UNKNOWN_TYPE", "object.type")},
		{"unknown permission", check(func(r *pembav1.CheckRequest) { r.Permission = "veiw" }), refused("UNKNOWN_RELATION", "permission")},
		{"unknown subject type", check(func(r *pembav1.CheckRequest) { r.Subject.Type = "usr" }), refused("UNKNOWN_TYPE", "subject.type")},
		{"unknown subject relation", check(func(r *pembav1.CheckRequest) { r.Subject.Relation = "member" }), refused("UNKNOWN_RELATION", "subject.relation")},
		{"unknown tenant", check(func(r *pembav1.CheckRequest) { r.Tenant = "nobody" }), failure{codes.NotFound, "UNKNOWN_TENANT", "tenant", true}},
		{"no object", check(func(r *pembav1.CheckRequest) { r.Object = nil }), refused("MISSING_FIELD", "object")},
		{"no permission", check(func(r *pembav1.CheckRequest) { r.Permission = "" }), refused("MISSING_FIELD", "permission")},
		{"no subject", check(func(r *pembav1.CheckRequest) { r.Subject = nil }), refused("MISSING_FIELD", "subject")},
		{"malformed object", check(func(r *pembav1.CheckRequest) { r.Object.Id = "a b" }), refused("INVALID_FIELD", "object.id")},
		{"long object", check(func(r *pembav1.CheckRequest) { r.Object.Id = strings.Repeat("x", tuple.MaxIDLen+1) }), refused("INVALID_FIELD", "object.id")},
		{"wildcard object", check(func(r *pembav1.CheckRequest) { r.Object.Id = "*" }), refused("INVALID_FIELD", "object.id")},
		{"wildcard subject", check(func(r *pembav1.CheckRequest) { r.Subject.Id = "*" }), refused("INVALID_FIELD", "subject.id")},
		{"context not JSON", check(func(r *pembav1.CheckRequest) { r.ContextJson = "age" }), refused("INVALID_FIELD", "context_json")},
		{"context not an object", check(func(r *pembav1.CheckRequest) { r.ContextJson = "[1]" }), refused("INVALID_FIELD", "context_json")},
		{"context too long", check(func(r *pembav1.CheckRequest) {
			r.ContextJson = `{"a":"` + strings.Repeat("x", maxContextBytes) + `"}`
		}), refused("TOO_LONG", "context_json")},
		{"context of another type", check(func(r *pembav1.CheckRequest) { r.ContextJson = `{"age":"old"}` }), refused("INVALID_CONTEXT", "context_json")},
		{"contextual tuple not allowed", check(func(r *pembav1.CheckRequest) {
			r.ContextualTuples = []*pembav1.Tuple{parse(t, "doc:a#viewer@user:bob"), parse(t, "doc:a#owner@group:eng#member")}
		}), refused("NOT_IN_SCHEMA", "contextual_tuples[1].subject")},
		{"too many contextual tuples", check(func(r *pembav1.CheckRequest) {
			r.ContextualTuples = make([]*pembav1.Tuple, maxContextual+1)
		}), refused("TOO_MANY", "contextual_tuples")},
	})
}

func TestBadInput_Batch(t *testing.T) {
	f := openWith(t)
	batch := func(r *pembav1.BatchCheckRequest) func(*testing.T) error {
		return func(t *testing.T) error {
			_, err := f.permissions.BatchCheck(deadline(t), r)
			return err
		}
	}
	requireRefusals(t, []refusal{
		{"no items", batch(&pembav1.BatchCheckRequest{}), refused("MISSING_FIELD", "items")},
		{"too many items", batch(&pembav1.BatchCheckRequest{Items: make([]*pembav1.BatchCheckItem, maxItems+1)}), refused("TOO_MANY", "items")},
		{"bad context", batch(&pembav1.BatchCheckRequest{Items: []*pembav1.BatchCheckItem{{}, {ContextJson: "x"}}}), refused("INVALID_FIELD", "items[1].context_json")},
	})
}

func TestBadInput_Tokens(t *testing.T) {
	f, other := openWith(t), openWith(t)
	foreign := other.touch(t, "doc:readme#viewer@user:ann")
	own := f.touch(t, "doc:readme#viewer@user:ann")
	check := func(at *pembav1.Consistency) func(*testing.T) error {
		return func(t *testing.T) error {
			request := asks(t, "doc:readme#view@user:ann")
			request.Consistency = at
			_, err := f.permissions.Check(deadline(t), request)
			return err
		}
	}
	spoilt := own[:len(own)-2] + "zz"
	requireRefusals(t, []refusal{
		{"empty", check(atLeast("")), refused("MISSING_FIELD", "consistency.at_least")},
		{"too long", check(exactly(strings.Repeat("x", maxTokenBytes+1))), refused("TOO_LONG", "consistency.exactly")},
		{"not a token", check(atLeast("hello")), refused("MALFORMED_TOKEN", "consistency.at_least")},
		{"spoilt", check(exactly(spoilt)), refused("MALFORMED_TOKEN", "consistency.exactly")},
		{"of another cluster", check(atLeast(foreign)), refused("FOREIGN_TOKEN", "consistency.at_least")},
	})
}

func TestBadInput_TokenOutsideTheReadableRevisions(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	setup := openIn(t, dir)
	if _, err := setup.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	old := setup.touch(t, "doc:readme#viewer@user:ann")
	if err := setup.node.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	further, behind := openIn(t, dir), openIn(t, copied)
	var ahead string
	for range 20 {
		ahead = further.touch(t, "doc:a#viewer@user:ann")
	}
	c := store.Command{Kind: store.KindHorizon, Horizon: further.node.Store().Revision()}
	if out, err := further.node.Propose(deadline(t), c); err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	check := func(f *fixture, at *pembav1.Consistency) func(*testing.T) error {
		return func(t *testing.T) error {
			request := asks(t, "doc:readme#view@user:ann")
			request.Consistency = at
			_, err := f.permissions.Check(deadline(t), request)
			return err
		}
	}
	requireRefusals(t, []refusal{
		{"ahead, at least", check(behind, atLeast(ahead)), failure{codes.OutOfRange, "TOKEN_AHEAD", "consistency.at_least", true}},
		{"ahead, exactly", check(behind, exactly(ahead)), failure{codes.OutOfRange, "TOKEN_AHEAD", "consistency.exactly", true}},
		{"past the horizon", check(further, exactly(old)), failure{codes.OutOfRange, "TOKEN_TOO_OLD", "consistency.exactly", true}},
	})
	if got := further.ask(t, "doc:readme#view@user:ann", atLeast(old)); got.GetDecision() != allowed {
		t.Errorf("at least an old token: %v", got)
	}
}

func TestBadInput_Write(t *testing.T) {
	f := openWith(t, "doc:readme#viewer@user:ann")
	since := f.touch(t, "doc:a#viewer@user:bob")
	f.touch(t, "doc:a#viewer@user:cid")
	one := func(text string, preconditions ...*pembav1.Precondition) func(*testing.T) error {
		return func(t *testing.T) error {
			_, err := f.tuples.Write(deadline(t), &pembav1.WriteRequest{
				Updates:       updates(t, pembav1.Update_OPERATION_CREATE, "doc:new#viewer@user:ann", text),
				Preconditions: preconditions,
			})
			return err
		}
	}
	write := func(r *pembav1.WriteRequest) func(*testing.T) error {
		return func(t *testing.T) error {
			_, err := f.tuples.Write(deadline(t), r)
			return err
		}
	}
	valid := updates(t, pembav1.Update_OPERATION_TOUCH, "doc:new#viewer@user:ann")
	requireRefusals(t, []refusal{
		{"nothing", write(&pembav1.WriteRequest{}), refused("MISSING_FIELD", "updates")},
		{"too many", write(&pembav1.WriteRequest{Updates: make([]*pembav1.Update, maxUpdates+1)}), refused("TOO_MANY", "updates")},
		{"no operation", write(&pembav1.WriteRequest{Updates: []*pembav1.Update{{Tuple: parse(t, "doc:a#viewer@user:a")}}}), refused("INVALID_FIELD", "updates[0].operation")},
		{"no tuple", write(&pembav1.WriteRequest{Updates: []*pembav1.Update{{Operation: pembav1.Update_OPERATION_TOUCH}}}), refused("MISSING_FIELD", "updates[0].tuple")},
		{"unknown tenant", write(&pembav1.WriteRequest{Tenant: "nobody", Updates: valid}), failure{codes.NotFound, "UNKNOWN_TENANT", "tenant", true}},
		{"bad request id", write(&pembav1.WriteRequest{RequestId: "7", Updates: valid}), refused("INVALID_FIELD", "request_id")},
		{"old request id", write(&pembav1.WriteRequest{RequestId: uuidv7(time.Now().Add(-48*time.Hour), 1), Updates: valid}), failure{codes.FailedPrecondition, "REQUEST_ID_TOO_OLD", "request_id", true}},
		{"same tuple twice", one("doc:new#viewer@user:ann"), refused("DUPLICATE_UPDATE", "updates[1].tuple")},
		{"unknown type", one("dok:a#viewer@user:ann"), refused("NOT_IN_SCHEMA", "updates[1].tuple.object.type")},
		{"unknown relation", one("doc:a#reader@user:ann"), refused("NOT_IN_SCHEMA", "updates[1].tuple.relation")},
		{"a permission", one("doc:a#view@user:ann"), refused("NOT_IN_SCHEMA", "updates[1].tuple.relation")},
		{"wrong subject type", one("doc:a#owner@group:eng"), refused("NOT_IN_SCHEMA", "updates[1].tuple.subject")},
		{"wildcard not allowed", one("doc:a#owner@user:*"), refused("NOT_IN_SCHEMA", "updates[1].tuple.subject")},
		{"unknown caveat", one("doc:a#viewer@user:x[nope]"), refused("NOT_IN_SCHEMA", "updates[1].tuple.caveat.name")},
		{"mistyped caveat context", one(`doc:a#viewer@user:x[adult:{"minimum":"old"}]`), refused("NOT_IN_SCHEMA", "updates[1].tuple.caveat.context_json")},
		{"expiry not allowed", one("doc:a#owner@user:ann[expiration:2100-01-01T00:00:00Z]"), refused("NOT_IN_SCHEMA", "updates[1].tuple.expires")},
		{"already there", one("doc:readme#viewer@user:ann"), failure{codes.AlreadyExists, "TUPLE_EXISTS", "updates[1].tuple", true}},
		{"no condition", one("doc:a#owner@user:ann", &pembav1.Precondition{}), refused("MISSING_FIELD", "preconditions[0]")},
		{"no match", one("doc:a#owner@user:ann", &pembav1.Precondition{Condition: &pembav1.Precondition_TuplesMatch{TuplesMatch: filterText(t, "doc:none")}}),
			failure{codes.FailedPrecondition, "PRECONDITION_FAILED", "preconditions[0]", true}},
		{"a match", one("doc:a#owner@user:ann", &pembav1.Precondition{Condition: &pembav1.Precondition_TuplesAbsent{TuplesAbsent: filterText(t, "doc:readme")}}),
			failure{codes.FailedPrecondition, "PRECONDITION_FAILED", "preconditions[0]", true}},
		{"row changed", one("doc:a#owner@user:ann", rowUnchanged("doc", "a", "viewer", since)), failure{codes.FailedPrecondition, "PRECONDITION_FAILED", "preconditions[0]", true}},
		{"row since nothing", one("doc:a#owner@user:ann", rowUnchanged("doc", "a", "viewer", "")), refused("MISSING_FIELD", "preconditions[0].row_unchanged.since")},
	})
}

func TestBadInput_RequestIDWithAnotherBody(t *testing.T) {
	f := openWith(t)
	id := uuidv7(time.Now(), 1)
	first := &pembav1.WriteRequest{RequestId: id, Updates: updates(t, pembav1.Update_OPERATION_TOUCH, "doc:a#viewer@user:ann")}
	if _, err := f.tuples.Write(deadline(t), first); err != nil {
		t.Fatal(err)
	}
	second := &pembav1.WriteRequest{RequestId: id, Updates: updates(t, pembav1.Update_OPERATION_TOUCH, "doc:b#viewer@user:ann")}
	_, err := f.tuples.Write(deadline(t), second)
	want := failure{codes.FailedPrecondition, "REQUEST_ID_REUSED", "request_id", true}
	if diff := cmp.Diff(want, failureOf(err)); diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestBadInput_Read(t *testing.T) {
	f := openWith(t)
	read := func(r *pembav1.ReadRequest) func(*testing.T) error {
		return func(t *testing.T) error {
			stream, err := f.tuples.Read(deadline(t), r)
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		}
	}
	requireRefusals(t, []refusal{
		{"no filter", read(&pembav1.ReadRequest{}), refused("MISSING_FIELD", "filter")},
		{"no type", read(&pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Id: "a"}}), refused("MISSING_FIELD", "filter.type")},
		{"no subject type", read(&pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc", Subject: &pembav1.SubjectFilter{Id: "a"}}}), refused("MISSING_FIELD", "filter.subject.type")},
		{"bad id", read(&pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc", Id: "a#b"}}), refused("INVALID_FIELD", "filter.id")},
		{"unknown type", read(&pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "dok"}}), refused("UNKNOWN_TYPE", "filter.type")},
		{"unknown relation", read(&pembav1.ReadRequest{Filter: &pembav1.TupleFilter{Type: "doc", Relation: "reader"}}), refused("UNKNOWN_RELATION", "filter.relation")},
		{"unknown tenant", read(&pembav1.ReadRequest{Tenant: "nobody", Filter: &pembav1.TupleFilter{Type: "doc"}}), failure{codes.NotFound, "UNKNOWN_TENANT", "tenant", true}},
	})
}

func TestBadInput_Schema(t *testing.T) {
	f := openWith(t, "doc:readme#banned@user:ann")
	schema := func(text string) func(*testing.T) error {
		return func(t *testing.T) error {
			_, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: text})
			return err
		}
	}
	requireRefusals(t, []refusal{
		{"empty", schema(""), refused("MISSING_FIELD", "schema")},
		{"too long", schema(strings.Repeat(" ", maxSchemaBytes+1)), refused("TOO_LONG", "schema")},
		{"syntax", schema("definition user {"), failure{Code: codes.InvalidArgument, Reason: "INVALID_SCHEMA", Field: "schema"}},
		{"unknown word", schema("definition doc { relation viewer: usr }"), failure{Code: codes.InvalidArgument, Reason: "INVALID_SCHEMA", Field: "schema"}},
		{"removes what is stored", schema(strings.NewReplacer("  relation banned: user\n", "", " - banned", "").Replace(testSchema)),
			failure{codes.FailedPrecondition, "SCHEMA_ORPHANS_TUPLES", "schema", true}},
	})
	empty := open(t)
	_, err := empty.schemas.ReadSchema(deadline(t), &pembav1.ReadSchemaRequest{})
	if diff := cmp.Diff(failure{codes.FailedPrecondition, "NO_SCHEMA", "", true}, failureOf(err)); diff != "" {
		t.Errorf("no schema: %v (-want +got):\n%s", err, diff)
	}
}
