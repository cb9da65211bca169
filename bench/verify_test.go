package bench

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/oracle"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// What the reference leaves out of the world changes no answer.
func TestReference_AgreesWithTheWholeWorld(t *testing.T) {
	p := population(t, MinTuples, 3)
	r, err := p.reference(0)
	if err != nil {
		t.Fatal(err)
	}
	whole := *r.world
	whole.Tuples = slices.Collect(p.Tuples())
	questions := p.Questions(3, 0).Source()
	allowed := 0
	for range 20 {
		q := questions.Next()
		table := oracle.Solve(&whole, &graph.Question{Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano()})
		want := pb.Decision_DECISION_DENIED
		if table[oracle.Atom{Object: q.Object, Relation: q.Permission}].Value() == oracle.Allowed {
			want = pb.Decision_DECISION_ALLOWED
			allowed++
		}
		if got := r.decide(&q); got != want {
			t.Errorf("%s: %s, the whole world says %s", q, got, want)
		}
	}
	if allowed == 0 {
		t.Error("nothing is allowed")
	}
}

func TestVerify_NamesEachWrongAnswer(t *testing.T) {
	p := population(t, 2*MinTuples, 1)
	questions := p.Questions(1, 0).Source()
	var answers []Answered
	for range 50 {
		q := questions.Next()
		r, err := p.reference(q.part)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, Answered{q, Check, r.decide(&q)})
	}
	if err := p.Verify(answers); err != nil {
		t.Error(err)
	}
	answers[7].Decision = pb.Decision_DECISION_CONDITIONAL
	var wrong *WrongAnswerError
	if err := p.Verify(answers); !errors.As(err, &wrong) || len(wrong.Wrong) != 1 {
		t.Error(err)
	}
}

func TestSample_KeepsEachRequestWithTheSameChance(t *testing.T) {
	const kept, offered, runs = 10, 100, 2000
	counts := make([]int, offered)
	for seed := range uint64(runs) {
		s := newSample(Check, kept, newRandom(seed))
		for i := range offered {
			s.keep(Answered{Question: Question{part: i}})
		}
		if len(s.answers()) != kept {
			t.Fatalf("%d answers kept", len(s.answers()))
		}
		for _, a := range s.answers() {
			counts[a.part]++
		}
	}
	for i, n := range counts {
		if want := runs * kept / offered; n < want/2 || n > want*2 {
			t.Errorf("request %d was kept %d times in %d runs, not about %d", i, n, runs, want)
		}
	}
}
