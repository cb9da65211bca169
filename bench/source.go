package bench

import (
	"math/rand/v2"
	"sync/atomic"
)

// Questions are the questions about a population in a shuffled order: each asks
// about a subject and an object of the same part, if the population has parts.
//
// Uniform, no question comes twice before all have come; outside of IAM, where
// questions are drawn, few do. With a skew, the
// questions' places in the order are their ranks, and they are drawn by a Zipf
// distribution over the ranks: the first is the most frequent.
type Questions struct {
	population *Population
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
	q := &Questions{population: p, total: p.shape.total(), seed: seed, skew: skew}
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
	return s.population.shape.question(s.order.at(place))
}
