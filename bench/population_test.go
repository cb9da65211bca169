package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

func population(t testing.TB, n int, seed uint64) *Population {
	t.Helper()
	p, err := NewPopulation(n, 0, seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPopulation_HasExactlyItsSizeInDistinctTuples(t *testing.T) {
	for _, n := range []int{MinTuples, 4321, 30_001, 100_000} {
		keys := make(map[tuple.Key]bool)
		p := population(t, n, 1)
		for tup := range p.Tuples() {
			if err := tup.Validate(); err != nil {
				t.Fatal(err)
			}
			keys[tup.Key()] = true
		}
		if len(keys) != n {
			t.Errorf("a population of %d has %d distinct tuples", n, len(keys))
		}
		if got := p.shape.(*iam).orgs[p.Organizations()-1].instances; got == 0 {
			t.Errorf("a population of %d has an organization without instances", n)
		}
	}
}

func TestPopulation_IsTheSameForTheSameSeed(t *testing.T) {
	first := slices.Collect(population(t, 5000, 7).Tuples())
	if diff := cmp.Diff(first, slices.Collect(population(t, 5000, 7).Tuples())); diff != "" {
		t.Errorf("second generation differs (-first +second):\n%s", diff)
	}
	if slices.Equal(first, slices.Collect(population(t, 5000, 8).Tuples())) {
		t.Error("another seed gives the same tuples")
	}
}

func TestPopulation_StopsWhenItsReaderHasEnough(t *testing.T) {
	n := 0
	for range population(t, 20_000, 1).Tuples() {
		if n++; n == 10 {
			break
		}
	}
	if n != 10 {
		t.Errorf("read %d tuples", n)
	}
}

func TestQuestions_ComeOnceEach(t *testing.T) {
	order := newPermutation(10_007, 3)
	seen := make([]bool, order.size)
	for n := range order.size {
		if at := order.at(n); seen[at] {
			t.Fatalf("%d comes twice", at)
		} else {
			seen[at] = true
		}
	}
	const asked = 200_000
	questions := population(t, 100_000, 1).Questions(1, 0).Source()
	if questions.Total() < 100*asked {
		t.Fatalf("only %d questions", questions.Total())
	}
	distinct := make(map[Question]bool, asked)
	for range asked {
		distinct[questions.Next()] = true
	}
	if len(distinct) != asked {
		t.Errorf("%d distinct questions of %d", len(distinct), asked)
	}
}

func TestQuestions_AskAboutWhatExists(t *testing.T) {
	p := population(t, 20_000, 1)
	objects := make(map[tuple.Object]bool)
	for tup := range p.Tuples() {
		objects[tup.Object] = true
		if tup.Subject.Relation == "" {
			objects[tup.Subject.Object()] = true
		}
	}
	questions := p.Questions(1, 0).Source()
	for range 10_000 {
		q := questions.Next()
		if !objects[q.Object] || !objects[q.Subject.Object()] {
			t.Fatalf("%s %s %s: not in the population", q.Object, q.Permission, q.Subject)
		}
	}
}

func TestMedian_OfEvenAndOdd(t *testing.T) {
	if got := median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four: %v", got)
	}
}

func TestQuestions_OfAZipfDistributionComeByRank(t *testing.T) {
	p := population(t, 10_000, 1)
	draw := func() []Question {
		source := p.Questions(5, 1.2).Source()
		asked := make([]Question, 50_000)
		for i := range asked {
			asked[i] = source.Next()
		}
		return asked
	}
	first := draw()
	if !slices.Equal(first, draw()) {
		t.Error("the same seed draws other questions")
	}
	counts := make(map[Question]int)
	for _, q := range first {
		counts[q]++
	}
	byRank := p.Questions(5, 0).Source()
	one, two := counts[byRank.Next()], counts[byRank.Next()]
	if ratio := float64(one) / float64(two); one < 5000 || ratio < 2 || ratio > 2.6 { // 2^1.2 = 2.3
		t.Errorf("the first comes %d times, the second %d", one, two)
	}
}

func TestParseMix_ReadsWhatStringWrites(t *testing.T) {
	m, err := ParseMix("check=95, list=4,write=1")
	if err != nil || m.String() != DefaultMix().String() {
		t.Errorf("%s, %v", m, err)
	}
	again, err := ParseMix(m.String())
	if err != nil || !slices.Equal(m, again) {
		t.Errorf("%s, %v", again, err)
	}
	for _, bad := range []string{"", "check", "check=-1", "check=0", "stream=1", "mixed=1", "check=1,check=2", "list=1,list-objects=1", "check=NaN"} {
		if m, err := ParseMix(bad); err == nil {
			t.Errorf("%q is read as %s", bad, m)
		}
	}
}
