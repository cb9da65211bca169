package bench

import (
	"fmt"
	"math/rand/v2"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// listing is a list under way: how long it is, when its first result came, and,
// for a list that is in the sample, which of some ids are in it.
type listing struct {
	population *Population
	op         Op
	random     *rand.Rand
	question   Question
	results    int
	first      time.Time      // of the first result
	watched    map[string]int // how often some ids that might be listed were; nil = not looked at
}

// begin starts a list about q and returns its place in the sample, -1 = none.
func (l *listing) begin(q Question, t *tally) int {
	l.question, l.results, l.first, l.watched = q, 0, time.Time{}, nil
	slot := t.sample.offer()
	if slot < 0 {
		return slot
	}
	count, id := l.population.shape.listed(&l.question, l.op)
	l.watched = make(map[string]int, t.sample.size)
	for range t.sample.size {
		l.watched[id(l.random.IntN(count))] = 0
	}
	return slot
}

// add enters a result.
func (l *listing) add(id string) {
	if l.results == 0 {
		l.first = time.Now()
	}
	l.results++
	if l.watched == nil {
		return
	}
	if n, ok := l.watched[id]; ok {
		l.watched[id] = n + 1
	}
}

// end enters the list, which was due at a time and is complete, into t.
func (l *listing) end(due time.Time, slot int, t *tally) error {
	if l.results == 0 {
		l.first = time.Now()
	}
	t.answered(due, l.results)
	record(t.first, l.first.Sub(due))
	if slot < 0 {
		return nil
	}
	kept, err := l.kept()
	t.sample.groups[slot] = kept
	return err
}

// kept are the decisions that the list implies for the watched ids.
func (l *listing) kept() ([]Answered, error) {
	var all []Answered
	for id, times := range l.watched {
		q := l.question
		if l.op == ListObjects {
			q.Object.ID = id
		} else {
			q.Subject = tuple.Subject{Type: q.Subject.Type, ID: id}
		}
		if times > 1 {
			return nil, fmt.Errorf("%s is listed %d times", id, times)
		}
		all = append(all, Answered{q, l.op, decisionOf(times == 1)})
	}
	return all, nil
}

func decisionOf(allowed bool) pb.Decision {
	if allowed {
		return pb.Decision_DECISION_ALLOWED
	}
	return pb.Decision_DECISION_DENIED
}
