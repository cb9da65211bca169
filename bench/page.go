package bench

import (
	"sync"

	"github.com/pemba-authz/pemba/tuple"
)

// page is the tuples of one object, in the order in which they were added.
type page struct {
	object tuple.Object
	tuples []tuple.Tuple
}

// add adds a tuple that is not there yet.
func (p *page) add(relation string, subject tuple.Subject) {
	p.tuples = append(p.tuples, tuple.Tuple{Object: p.object, Relation: relation, Subject: subject})
}

// addNew adds a tuple unless it is there already.
func (p *page) addNew(relation string, subject tuple.Subject) {
	for i := range p.tuples {
		if p.tuples[i].Relation == relation && p.tuples[i].Subject == subject {
			return
		}
	}
	p.add(relation, subject)
}

// number reads the number after the last letter in an id as "c12-d345", and the
// one before: 12, 'd', 345. ok is false for an id of another form.
func number(id string) (part int, letter byte, n int, ok bool) {
	if len(id) < 5 {
		return 0, 0, 0, false
	}
	i := 1
	for ; i < len(id) && id[i] >= '0' && id[i] <= '9'; i++ {
		part = part*10 + int(id[i]-'0')
	}
	if i == 1 || i+2 >= len(id) || id[i] != '-' {
		return 0, 0, 0, false
	}
	letter = id[i+1]
	for _, c := range []byte(id[i+2:]) {
		if c < '0' || c > '9' {
			return 0, 0, 0, false
		}
		n = n*10 + int(c-'0')
	}
	return part, letter, n, true
}

// fill returns how many objects, the i-th of which has count(i) tuples, spend a
// budget, and how many tuples the last of them keeps.
func fill(budget int, count func(i int) int) (objects, last int) {
	for budget > 0 {
		last = min(count(objects), budget)
		budget -= last
		objects++
	}
	return objects, last
}

// yieldPages yields the tuples of n pages. false: yield has enough.
func yieldPages(n int, page func(i int) []tuple.Tuple, yield func(tuple.Tuple) bool) bool {
	for i := range n {
		for _, t := range page(i) {
			if !yield(t) {
				return false
			}
		}
	}
	return true
}

// rememberedTuples bounds what remembered keeps, some 100 bytes each.
const rememberedTuples = 2_000_000

// remembered keeps the pages that f has made, as long as there is room: those of
// large groups are asked for again and again.
func remembered(f func(tuple.Object) []tuple.Tuple) func(tuple.Object) []tuple.Tuple {
	var mu sync.Mutex
	pages := make(map[tuple.Object][]tuple.Tuple)
	room := rememberedTuples
	return func(o tuple.Object) []tuple.Tuple {
		mu.Lock()
		known, ok := pages[o]
		mu.Unlock()
		if ok {
			return known
		}
		made := f(o)
		mu.Lock()
		defer mu.Unlock()
		if _, again := pages[o]; !again && len(made) <= room {
			pages[o] = made
			room -= len(made)
		}
		return made
	}
}
