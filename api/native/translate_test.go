package native

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/proto/codec"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func TestTuple_TranslatesBothWays(t *testing.T) {
	for _, text := range []string{
		"doc:readme#viewer@user:ann",
		"doc:readme#viewer@group:eng#member",
		"doc:readme#viewer@user:*",
		"doc:a:b@c#viewer@user:ann[office]",
		`doc:readme#viewer@user:ann[office:{"max":9007199254740993}]`,
		"doc:readme#viewer@user:ann[expiration:2030-01-02T15:04:05.000000006Z]",
		`doc:readme#viewer@user:ann[office:{"ip":"10.0.0.1"}][expiration:2030-01-02T15:04:05Z]`,
	} {
		want, err := tuple.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tupleOf("tuple", protoTuple(want))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestTuple_NamesTheFieldToBlame(t *testing.T) {
	good := func() *pembav1.Tuple {
		parsed, err := tuple.ParseTuple(`doc:readme#viewer@user:ann[office:{"ip":"10.0.0.1"}]`)
		if err != nil {
			t.Fatal(err)
		}
		return protoTuple(parsed)
	}
	for field, spoil := range map[string]func(*pembav1.Tuple){
		"t.object.type":         func(p *pembav1.Tuple) { p.Object = nil },
		"t.object.id":           func(p *pembav1.Tuple) { p.Object.Id = "a#b" },
		"t.relation":            func(p *pembav1.Tuple) { p.Relation = "" },
		"t.subject.type":        func(p *pembav1.Tuple) { p.Subject.Type = "no type" },
		"t.subject.id":          func(p *pembav1.Tuple) { p.Subject.Id = strings.Repeat("x", tuple.MaxIDLen+1) },
		"t.subject.relation":    func(p *pembav1.Tuple) { p.Subject.Relation = "#" },
		"t.caveat.name":         func(p *pembav1.Tuple) { p.Caveat.Name = "" },
		"t.caveat.context_json": func(p *pembav1.Tuple) { p.Caveat.ContextJson = "[]" },
		"t.expires":             func(p *pembav1.Tuple) { p.Expires = timestamppb.New(time.Unix(-1, 0)) },
	} {
		p := good()
		spoil(p)
		_, err := tupleOf("t", p)
		var e *authz.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want a domain error", field, err)
			continue
		}
		if e.Code != authz.Invalid || e.Field != field || e.Fix == "" {
			t.Errorf("%s: got code %v, field %q, fix %q", field, e.Code, e.Field, e.Fix)
		}
	}
}

func TestExpiry_RefusesWhatNanosecondsCannotHold(t *testing.T) {
	for _, p := range []*timestamppb.Timestamp{
		{Seconds: math.MaxInt64},
		{Seconds: math.MinInt64},
		{Seconds: 1, Nanos: -1},
		{Seconds: 0, Nanos: 0},
		timestamppb.New(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)),
	} {
		if ns, err := expiryOf("t", p); err == nil {
			t.Errorf("%v: got %d, want an error", p, ns)
		}
	}
}

func TestSeconds_AgreesWithTimestamppb(t *testing.T) {
	for _, ns := range []int64{0, 1, -1, 1e9, -1e9, 1_700_000_000_123_456_789, math.MinInt64, math.MaxInt64} {
		want := timestamppb.New(time.Unix(0, ns))
		if s, rest := seconds(ns); s != want.Seconds || rest != want.Nanos {
			t.Errorf("%d: got %d s %d ns, want %v", ns, s, rest, want)
		}
	}
}

func TestDecision_UnknownIsNone(t *testing.T) {
	for d, want := range map[authz.Decision]pembav1.Decision{
		authz.Allowed:      pembav1.Decision_DECISION_ALLOWED,
		authz.Denied:       pembav1.Decision_DECISION_DENIED,
		authz.Conditional:  pembav1.Decision_DECISION_CONDITIONAL,
		authz.Decision(99): pembav1.Decision_DECISION_UNSPECIFIED,
	} {
		if got := decisionOf(d); got != want {
			t.Errorf("%v: got %v, want %v", d, got, want)
		}
	}
}

// FuzzTranslate feeds arbitrary request bytes to the translation. It must not
// panic, must say which field it refuses, and what it lets through must be valid.
func FuzzTranslate(f *testing.F) {
	parsed, err := tuple.ParseTuple(`doc:readme#viewer@user:ann[office:{"ip":"10.0.0.1"}][expiration:2030-01-02T15:04:05Z]`)
	if err != nil {
		f.Fatal(err)
	}
	p := protoTuple(parsed)
	filter := &pembav1.TupleFilter{Type: "doc", Subject: &pembav1.SubjectFilter{Type: "user", Relation: "..."}}
	for _, m := range []proto.Message{
		&pembav1.CheckRequest{
			Object: p.Object, Permission: "view", Subject: p.Subject, ContextJson: `{"ip":"10.0.0.1"}`,
			ContextualTuples: []*pembav1.Tuple{p},
			Consistency:      &pembav1.Consistency{Level: &pembav1.Consistency_AtLeast{AtLeast: "token"}},
		},
		&pembav1.BatchCheckRequest{Items: []*pembav1.BatchCheckItem{{Object: p.Object, Permission: "view", Subject: p.Subject}}},
		&pembav1.WriteRequest{
			Updates: []*pembav1.Update{{Operation: pembav1.Update_OPERATION_TOUCH, Tuple: p}},
			Preconditions: []*pembav1.Precondition{
				{Condition: &pembav1.Precondition_TuplesMatch{TuplesMatch: filter}},
				{Condition: &pembav1.Precondition_RowUnchanged_{RowUnchanged: &pembav1.Precondition_RowUnchanged{Object: p.Object, Relation: "viewer", Since: "token"}}},
			},
		},
	} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var check pembav1.CheckRequest
		if proto.Unmarshal(data, &check) == nil {
			request, err := checkRequestOf(&check)
			requireTranslation(t, err, request.Contextual)
		}
		var batch pembav1.BatchCheckRequest
		if proto.Unmarshal(data, &batch) == nil {
			var asked codec.Batch
			asked.From(&batch)
			if err := newBatchCall().translate(&asked); err != nil {
				requireTranslation(t, err, nil)
			}
		}
		var write pembav1.WriteRequest
		if proto.Unmarshal(data, &write) == nil {
			request, err := writeRequestOf(&write)
			var tuples []tuple.Tuple
			for _, u := range request.Updates {
				tuples = append(tuples, u.Tuple)
			}
			requireTranslation(t, err, tuples)
		}
	})
}

// requireTranslation checks what a translation of arbitrary bytes promises.
func requireTranslation(t *testing.T, err error, tuples []tuple.Tuple) {
	t.Helper()
	if err != nil {
		var e *authz.Error
		if !errors.As(err, &e) || e.Code != authz.Invalid || e.Field == "" || e.Reason == "" || e.Fix == "" {
			t.Errorf("refused without field, reason or fix: %#v", err)
		}
		return
	}
	for _, tup := range tuples {
		if err := tup.Validate(); err != nil {
			t.Errorf("let through %v: %v", tup, err)
		}
		again, err := tupleOf("again", protoTuple(tup))
		if err != nil || again != tup {
			t.Errorf("%v translates back to %v, %v", tup, again, err)
		}
	}
}
