package bench

import (
	"math/rand/v2"
	"sort"
	"sync/atomic"
)

// Questions are the questions about a population in a shuffled order: each asks
// about a subject and an object of the same organization.
//
// Uniform, no question comes twice before all have come. With a skew, the
// questions' places in the order are their ranks, and they are drawn by a Zipf
// distribution over the ranks: the first is the most frequent.
type Questions struct {
	population *Population
	starts     []uint64 // of each organization, in the numbering of all questions
	total      uint64
	seed       uint64
	skew       float64 // 0 = uniform
	order      permutation
	next       atomic.Uint64 // uniform: the place of the next question
	sources    atomic.Uint64 // made so far
}

// Questions shuffles the questions about p by seed. Skew is the exponent of a
// Zipf distribution, larger than 1; 0 = uniform.
func (p *Population) Questions(seed uint64, skew float64) *Questions {
	q := &Questions{population: p, seed: seed, skew: skew}
	for i := range p.orgs {
		q.starts = append(q.starts, q.total)
		q.total += p.orgs[i].questions()
	}
	q.order = newPermutation(q.total, seed)
	return q
}

// Total is the number of different questions.
func (q *Questions) Total() uint64 { return q.total }

// Source is one caller's part of the questions. Several may be used at the same
// time, each by one goroutine.
type Source struct {
	*Questions
	zipf *rand.Zipf // nil = uniform
}

// Source returns a new source. Uniform sources share one order; those with a skew
// draw by themselves, each from its own seed.
func (q *Questions) Source() *Source {
	s := &Source{Questions: q}
	if n := q.sources.Add(1); q.skew != 0 {
		s.zipf = rand.NewZipf(rand.New(rand.NewPCG(q.seed, n)), q.skew, 1, q.total-1)
	}
	return s
}

// Next is the next question.
func (s *Source) Next() Question {
	var place uint64
	if s.zipf != nil {
		place = s.zipf.Uint64()
	} else {
		place = (s.next.Add(1) - 1) % s.total
	}
	n := s.order.at(place)
	i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > n }) - 1
	return s.population.orgs[i].question(n - s.starts[i])
}
