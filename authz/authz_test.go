package authz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const docs = `
use expiration
definition user {}
definition group { relation member: user | group#member }
caveat near(distance int, most int) { distance <= most }
definition doc {
	relation viewer: user | user:* | group#member | user with near | user with expiration
	relation banned: user
	permission view = viewer - banned
}`

var ann = Caller{Name: "ann", Address: "127.0.0.1:1"}

// world is a service over a real node with the docs schema.
type world struct {
	*Service
	t testing.TB
}

func newWorld(t testing.TB) *world {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), MinFreeDisk: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checker.Close()
		if err := node.Store().Verify(); err != nil {
			t.Error(err)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{New(node, checker, Options{}), t}
	w.schema(docs)
	return w
}

func (w *world) schema(source string) string {
	w.t.Helper()
	token, _, err := w.WriteSchema(w.t.Context(), ann, WriteSchemaRequest{Source: source})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func updates(t testing.TB, op Op, texts ...string) []Update {
	t.Helper()
	var out []Update
	for _, text := range texts {
		tp, err := tuple.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Update{Op: op, Tuple: tp})
	}
	return out
}

func (w *world) touch(texts ...string) string {
	w.t.Helper()
	token, err := w.Write(w.t.Context(), ann, WriteRequest{Updates: updates(w.t, Touch, texts...)})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func ask(object, permission, subject string) CheckRequest {
	o, _ := tuple.ParseObject(object)
	s, _ := tuple.ParseSubject(subject)
	return CheckRequest{Question: Question{Object: o, Permission: permission, Subject: s}}
}

func (w *world) decide(r CheckRequest) string {
	w.t.Helper()
	a, err := w.Check(w.t.Context(), r)
	if err != nil {
		return reasonOf(w.t, err)
	}
	return a.Decision.String()
}

// reasonOf returns the reason of a domain error that says what to do.
func reasonOf(t testing.TB, err error) string {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not a domain error: %v", err)
	}
	if e.Message == "" || e.Reason == "" || strings.Contains(e.Error(), "\n") {
		t.Errorf("error without message or reason, or of several lines: %#v", e)
	}
	return e.Reason
}

func TestCheck_EveryConsistency(t *testing.T) {
	w := newWorld(t)
	before := w.touch("doc:a#viewer@user:ann")
	r := ask("doc:a", "view", "user:ann")
	after, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Delete, "doc:a#viewer@user:ann")})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Consistency{
		"allowed": {Exactly, before}, "denied": {Exactly, after},
		"denied ": {AtLeast, before}, "denied  ": {AtLeast, after}, "denied   ": {Latest, ""}, "denied    ": {Any, ""},
	} {
		r.Consistency = c
		if got := w.decide(r); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	r.Consistency = Consistency{Exactly, before}
	if a, _ := w.Check(t.Context(), r); a.Token != before {
		t.Errorf("the answer at %s carries %s", before, a.Token)
	}
}

func TestCheck_LatestSeesEveryAcknowledgedWrite(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				subject := fmt.Sprintf("user:%d-%d", i, j)
				if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Create, "doc:a#viewer@"+subject)}); err != nil {
					t.Error(err)
					return
				}
				r := ask("doc:a", "view", subject)
				r.Consistency.Level = Latest
				if got := w.decide(r); got != "allowed" {
					t.Errorf("%s: %s", subject, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestTokens_EachMisuseIsNamed(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	good := w.touch("doc:a#viewer@user:ann")
	p, err := parseToken(good)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(p *position)) string {
		q := p
		f(&q)
		return q.text()
	}
	for token, want := range map[string]string{
		"":                                   "MALFORMED_TOKEN",
		"x":                                  "MALFORMED_TOKEN",
		good + "A":                           "MALFORMED_TOKEN",
		strings.Repeat(good, 10):             "MALFORMED_TOKEN",
		other.touch("doc:a#viewer@user:ann"): "FOREIGN_TOKEN",
		change(func(p *position) { p.incarnation++ }):       "OLD_INCARNATION",
		change(func(p *position) { p.tenant++ }):            "OTHER_TENANT",
		change(func(p *position) { p.revision += 1000 }):    "TOKEN_AHEAD",
		change(func(p *position) { p.revision = p.tenant }): "NO_SCHEMA",
		change(func(p *position) { p.revision = 0 }):        "MALFORMED_TOKEN",
	} {
		r := ask("doc:a", "view", "user:ann")
		r.Consistency = Consistency{Exactly, token}
		if got := w.decide(r); got != want {
			t.Errorf("%.40q: %s, want %s", token, got, want)
		}
	}
	if _, err := w.node.Propose(t.Context(), store.Command{Kind: store.KindHorizon, Horizon: p.revision + 1}); err != nil {
		t.Fatal(err)
	}
	w.touch("doc:a#viewer@user:bob")
	if _, err := w.node.Propose(t.Context(), store.Command{Kind: store.KindHorizon, Horizon: p.revision + 1}); err != nil {
		t.Fatal(err)
	}
	r := ask("doc:a", "view", "user:ann")
	r.Consistency = Consistency{Exactly, good}
	if got := w.decide(r); got != "TOKEN_TOO_OLD" {
		t.Error(got)
	}
	r.Consistency.Level = AtLeast // an old token is a weak demand, not an error
	if got := w.decide(r); got != "allowed" {
		t.Error(got)
	}
}

func TestCheck_ErrorsAreNamed(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann[near:{\"most\":5}]")
	with := func(r CheckRequest, f func(r *CheckRequest)) CheckRequest {
		f(&r)
		return r
	}
	base := ask("doc:a", "view", "user:ann")
	for want, r := range map[string]CheckRequest{
		"UNKNOWN_TYPE":     ask("dok:a", "view", "user:ann"),
		"UNKNOWN_RELATION": ask("doc:a", "vew", "user:ann"),
		"INVALID_FIELD":    ask("doc:a", "view", "user:*"),
		"UNKNOWN_TENANT":   with(base, func(r *CheckRequest) { r.Tenant = "nobody" }),
		"UNKNOWN_TENANT ":  with(base, func(r *CheckRequest) { r.Tenant = "no body" }),
		"RESERVED_TENANT":  with(base, func(r *CheckRequest) { r.Tenant = "_iam" }),
		"INVALID_CONTEXT":  with(base, func(r *CheckRequest) { r.Context = map[string]any{"distance": "far"} }),
		"NOT_IN_SCHEMA":    with(base, func(r *CheckRequest) { r.Contextual = []tuple.Tuple{updates(t, Touch, "doc:a#viewer@doc:b")[0].Tuple} }),
		"conditional":      base,
	} {
		if got := w.decide(r); got != strings.TrimSpace(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Check(ctx, base); reasonOf(t, err) != "CANCELED" {
		t.Error(err)
	}
}

func TestWrite_ErrorsAreNamed(t *testing.T) {
	w := newWorld(t)
	token := w.touch("doc:a#viewer@user:ann")
	w.touch("doc:a#viewer@user:bob")
	filter := func(s string) tuple.Filter {
		f, err := tuple.ParseFilter(s)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	pre := func(p Precondition) WriteRequest {
		return WriteRequest{Updates: updates(t, Touch, "doc:b#viewer@user:ann"), Preconditions: []Precondition{p}}
	}
	id := uuid.Must(uuid.NewV7()).String()
	if _, err := w.Write(t.Context(), ann, WriteRequest{RequestID: id, Updates: updates(t, Touch, "doc:c#viewer@user:ann")}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reason, field string
		r             WriteRequest
	}{
		{"TUPLE_EXISTS", "updates[1].tuple", WriteRequest{Updates: updates(t, Create, "doc:b#viewer@user:x", "doc:a#viewer@user:ann")}},
		{"DUPLICATE_UPDATE", "updates[1].tuple", WriteRequest{Updates: updates(t, Touch, "doc:b#viewer@user:x", "doc:b#viewer@user:x")}},
		{"NOT_IN_SCHEMA", "updates[0].tuple.relation", WriteRequest{Updates: updates(t, Touch, "doc:b#view@user:x")}},
		{"NOT_IN_SCHEMA", "updates[0].tuple.subject", WriteRequest{Updates: updates(t, Touch, "doc:b#banned@user:*")}},
		{"NOT_IN_SCHEMA", "updates[0].tuple.caveat.context", WriteRequest{Updates: updates(t, Touch, `doc:b#viewer@user:x[near:{"most":"x"}]`)}},
		{"NOT_IN_SCHEMA", "updates[0].tuple.relation", WriteRequest{Updates: updates(t, Delete, "doc:b#viewed@user:x")}},
		{"PRECONDITION_FAILED", "preconditions[0]", pre(Precondition{Kind: TuplesMatch, Filter: filter("doc:zzz")})},
		{"PRECONDITION_FAILED", "preconditions[0]", pre(Precondition{Kind: TuplesAbsent, Filter: filter("doc:a#viewer@user:ann")})},
		{"PRECONDITION_FAILED", "preconditions[0]", pre(Precondition{Kind: RowUnchanged, Object: tuple.Object{Type: "doc", ID: "a"}, Relation: "viewer", Since: token})},
		{"UNKNOWN_TYPE", "preconditions[0].filter.type", pre(Precondition{Kind: TuplesMatch, Filter: filter("dok")})},
		{"MALFORMED_TOKEN", "preconditions[0].since", pre(Precondition{Kind: SchemaUnchanged, Since: "x"})},
		{"REQUEST_ID_REUSED", "request_id", WriteRequest{RequestID: id, Updates: updates(t, Touch, "doc:d#viewer@user:ann")}},
		{"REQUEST_ID_TOO_OLD", "request_id", WriteRequest{RequestID: "01890000-0000-7000-8000-000000000000", Updates: updates(t, Touch, "doc:d#viewer@user:ann")}},
		{"INVALID_FIELD", "request_id", WriteRequest{RequestID: "x", Updates: updates(t, Touch, "doc:d#viewer@user:ann")}},
	} {
		_, err := w.Write(t.Context(), ann, tt.r)
		var e *Error
		if reasonOf(t, err) != tt.reason || errors.As(err, &e) && (e.Field != tt.field || e.Fix == "") {
			t.Errorf("got %s at %q (%v), want %s at %q", e.Reason, e.Field, e, tt.reason, tt.field)
		}
	}
	if _, err := w.Write(t.Context(), ann, pre(Precondition{Kind: SchemaUnchanged, Since: token})); err != nil {
		t.Error(err)
	}
}

// TestWrite_PassedExpiryEndsAnOlderGrant: refusing it would leave the grant.
func TestWrite_PassedExpiryEndsAnOlderGrant(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann")
	if got := w.decide(ask("doc:a", "viewer", "user:ann")); got != "allowed" {
		t.Fatal(got)
	}
	w.touch("doc:a#viewer@user:ann[expiration:2001-01-01T00:00:00Z]")
	if got := w.decide(ask("doc:a", "viewer", "user:ann")); got != "denied" {
		t.Error(got)
	}
}

func TestWrite_SameRequestIDReturnsTheSameToken(t *testing.T) {
	w := newWorld(t)
	r := WriteRequest{RequestID: uuid.Must(uuid.NewV7()).String(), Updates: updates(t, Create, "doc:a#viewer@user:ann")}
	first, err := w.Write(t.Context(), ann, r)
	if err != nil {
		t.Fatal(err)
	}
	w.touch("doc:b#viewer@user:ann")
	again, err := w.Write(t.Context(), ann, r)
	if err != nil || again != first {
		t.Fatalf("%s, %v; want %s", again, err, first)
	}
}

func TestWriteSchema_RefusesToOrphanTuples(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:*")
	narrower := strings.Replace(docs, "user:* |", "", 1)
	_, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: narrower})
	if reasonOf(t, err) != "SCHEMA_ORPHANS_TUPLES" || !strings.Contains(err.Error(), "1 stored tuple of doc#viewer: user:* (1), such as doc:a#viewer@user:*") {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Delete, "doc:a#viewer@user:*")}); err != nil {
		t.Fatal(err)
	}
	w.schema(narrower)
	if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Touch, "doc:a#viewer@user:*")}); reasonOf(t, err) != "NOT_IN_SCHEMA" {
		t.Fatal(err)
	}
}

func TestWriteSchema_IfUnchangedSince(t *testing.T) {
	w := newWorld(t)
	token := w.touch("doc:a#viewer@user:ann")
	second, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: docs + "\n", IfUnchangedSince: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: docs, IfUnchangedSince: token}); reasonOf(t, err) != "SCHEMA_CHANGED" {
		t.Fatal(err)
	}
	source, _, err := w.ReadSchema(t.Context(), "", Consistency{Exactly, second})
	if err != nil || source != docs+"\n" {
		t.Fatalf("%q, %v", source, err)
	}
}

func TestWriteSchema_NamesThePlace(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: "definition doc {\n\trelation viewer: usr\n}"})
	var e *Error
	if reasonOf(t, err) != "INVALID_SCHEMA" || !errors.As(err, &e) || e.Metadata["line"] != "2" || e.Value != "usr" {
		t.Fatalf("%#v", err)
	}
}

// TestWrites_RaceWithSchemas lets tuple writes and schema writes run against
// each other: whatever is stored in the end is allowed by the schema in force.
func TestWrites_RaceWithSchemas(t *testing.T) {
	w := newWorld(t)
	narrower := strings.Replace(docs, "user:* |", "", 1)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 30 {
				text := fmt.Sprintf("doc:%d-%d#viewer@user:*", i, j)
				for _, op := range []Op{Touch, Delete} {
					_, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, op, text)})
					if err != nil && !slices.Contains([]string{"NOT_IN_SCHEMA", "SCHEMA_BUSY"}, reasonOf(t, err)) {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Go(func() {
		for j := range 60 {
			_, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: []string{narrower, docs}[j%2]})
			if err != nil && !slices.Contains([]string{"SCHEMA_ORPHANS_TUPLES", "SCHEMA_BUSY"}, reasonOf(t, err)) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	v, err := w.node.Store().View(DefaultTenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := w.graphOf(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	for tp := range v.Tuples(tuple.Filter{Type: "doc"}) {
		if err := g.CheckTuple(tp); err != nil {
			t.Errorf("%s is stored: %v", tp, err)
		}
	}
}

func TestGraphs_BelongToOneHistory(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	open := strings.Replace(docs, "viewer - banned", "viewer + banned", 1)
	w.schema(docs)
	other.schema(open)
	w.touch("doc:a#viewer@user:ann", "doc:a#banned@user:ann")
	other.touch("doc:a#viewer@user:ann", "doc:a#banned@user:ann")
	for range 2 {
		if got := other.decide(ask("doc:a", "view", "user:ann")); got != "allowed" {
			t.Fatal(got)
		}
	}
	old := other.touch("doc:b#viewer@user:ann")
	var snapshot bytes.Buffer
	if _, err := w.node.Store().Capture().WriteTo(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := other.node.Store().Restore(&snapshot); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := other.decide(ask("doc:a", "view", "user:ann")); got != "denied" {
			t.Fatalf("the schema of another history answers: %s", got)
		}
	}
	r := ask("doc:a", "view", "user:ann")
	r.Consistency = Consistency{Exactly, old}
	if got := other.decide(r); got != "FOREIGN_TOKEN" {
		t.Fatal(got)
	}
}

func TestWrite_RetryAfterASchemaChangeLearnsTheOutcome(t *testing.T) {
	w := newWorld(t)
	r := WriteRequest{RequestID: uuid.Must(uuid.NewV7()).String(), Updates: updates(t, Create, "doc:a#viewer@user:*")}
	first, err := w.Write(t.Context(), ann, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Delete, "doc:a#viewer@user:*")}); err != nil {
		t.Fatal(err)
	}
	w.schema(strings.Replace(docs, "user:* |", "", 1))
	again, err := w.Write(t.Context(), ann, r)
	if err != nil || again != first {
		t.Fatalf("%s, %v; want %s", again, err, first)
	}
}

func TestGraphs_AreBoundedAndFoundAgain(t *testing.T) {
	w := newWorld(t)
	w.graphs.most = 4
	var tokens []string
	for i := range 10 {
		tokens = append(tokens, w.schema(docs+strings.Repeat("\n", i)))
	}
	for range 2 {
		for _, token := range tokens {
			r := ask("doc:a", "view", "user:ann")
			r.Consistency = Consistency{Exactly, token}
			if got := w.decide(r); got != "denied" {
				t.Fatal(got)
			}
		}
	}
	if n := w.graphs.order.Len(); n != 4 || len(w.graphs.byKey) != 4 {
		t.Fatalf("%d graphs kept", n)
	}
}

// TestWrite_IsBoundToTheSchemaItWasValidatedAgainst lets the schema change
// between validation and proposal.
func TestWrite_IsBoundToTheSchemaItWasValidatedAgainst(t *testing.T) {
	w := newWorld(t)
	c, err := w.writeCommand(t.Context(), DefaultTenant, ann, WriteRequest{Updates: updates(t, Touch, "doc:a#viewer@user:*")})
	if err != nil {
		t.Fatal(err)
	}
	w.schema(strings.Replace(docs, "user:* |", "", 1))
	out, err := w.node.Propose(t.Context(), c)
	if err != nil || out.Code != store.CodeSchemaChanged {
		t.Fatalf("%v %v", out, err)
	}
}

func TestRead_SelectsLiveTuplesOfOneView(t *testing.T) {
	w := newWorld(t)
	past := tuple.FormatTime(time.Now().Add(-time.Hour).UnixNano())
	token := w.touch("doc:a#viewer@user:ann", "doc:a#viewer@user:old[expiration:"+past+"]", "doc:b#banned@user:ann")
	w.touch("doc:c#viewer@user:ann")
	reading, err := w.Read(t.Context(), ReadRequest{Filter: tuple.Filter{Type: "doc"}, Consistency: Consistency{Exactly, token}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := reading.Each(t.Context(), func(tp tuple.Tuple) bool { got = append(got, tp.String()); return true }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"doc:a#viewer@user:ann", "doc:b#banned@user:ann"}, got); diff != "" {
		t.Fatal(diff)
	}
	if _, err := w.Read(t.Context(), ReadRequest{Filter: tuple.Filter{Type: "dok"}}); reasonOf(t, err) != "UNKNOWN_TYPE" {
		t.Fatal(err)
	}
}

func TestBatchCheck_EachAnswersByItself(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann")
	a, err := w.BatchCheck(t.Context(), BatchRequest{Questions: []Question{
		ask("doc:a", "view", "user:ann").Question, ask("doc:a", "view", "user:bob").Question, ask("doc:a", "vew", "user:ann").Question,
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range a.Results {
		if r.Err != nil {
			got = append(got, reasonOf(t, r.Err))
		} else {
			got = append(got, r.Decision.String())
		}
	}
	if diff := cmp.Diff([]string{"allowed", "denied", "UNKNOWN_RELATION"}, got); diff != "" {
		t.Fatal(diff)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(position{clusterDigest("x"), 1, 2, 3}.text())
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parseToken(s); err == nil && p.text() != s {
			t.Fatalf("%q is read as %+v, which is %q", s, p, p.text())
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	w.touch("doc:a#viewer@user:ann")
	r := ask("doc:a", "view", "user:ann")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Check(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}
