package bench

import (
	"math/bits"
	"sort"
	"strconv"
	"sync/atomic"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Question asks whether Subject has Permission on Object.
type Question struct {
	Object     tuple.Object
	Permission string
	Subject    tuple.Subject
}

// Request is q as a Check request at consistency any.
func (q *Question) Request(tenant string) *pb.CheckRequest {
	return &pb.CheckRequest{
		Tenant:     tenant,
		Object:     &pb.Object{Type: q.Object.Type, Id: q.Object.ID},
		Permission: q.Permission,
		Subject:    &pb.Subject{Type: q.Subject.Type, Id: q.Subject.ID, Relation: q.Subject.Relation},
	}
}

// kinds are what is asked about: each permission on each object of the type.
var kinds = [...]struct {
	typ         string
	letter      byte
	count       func(*org) int
	permissions []string
}{
	{"instance", 'i', func(o *org) int { return o.instances },
		[]string{"list", "get", "start", "stop", "update", "delete", "set_access_bindings"}},
	{"folder", 'f', func(o *org) int { return o.folders },
		[]string{"get", "create_instance", "set_access_bindings"}},
	{"service_account", 's', func(o *org) int { return o.accounts },
		[]string{"get", "use", "create_token"}},
	{"instance_group", 'n', func(o *org) int { return o.groups },
		[]string{"get", "start", "update"}},
}

// questions is the number of different questions about o: every subject of the
// organization, every permission, every object.
func (o *org) questions() uint64 {
	n := 0
	for i := range kinds {
		n += kinds[i].count(o) * len(kinds[i].permissions)
	}
	return uint64(n) * uint64(o.users+o.accounts)
}

// Questions are uniform random questions about a population: each asks about a
// subject and an object of the same organization. No question comes twice
// before all have come. Safe for concurrent use.
type Questions struct {
	population *Population
	starts     []uint64 // of each organization, in the numbering of all questions
	total      uint64
	order      permutation
	next       atomic.Uint64
}

// Questions shuffles the questions about p by seed.
func (p *Population) Questions(seed uint64) *Questions {
	q := &Questions{population: p}
	for i := range p.orgs {
		q.starts = append(q.starts, q.total)
		q.total += p.orgs[i].questions()
	}
	q.order = newPermutation(q.total, seed)
	return q
}

// Total is the number of different questions.
func (q *Questions) Total() uint64 { return q.total }

// Next is the next question in the shuffled order.
func (q *Questions) Next() Question {
	n := q.order.at((q.next.Add(1) - 1) % q.total)
	i := sort.Search(len(q.starts), func(i int) bool { return q.starts[i] > n }) - 1
	return q.population.orgs[i].question(n - q.starts[i])
}

// question is the n-th question about o, n < o.questions().
func (o *org) question(n uint64) Question {
	prefix := "o" + strconv.Itoa(o.index)
	subjects := uint64(o.users + o.accounts)
	s, rest := int(n%subjects), int(n/subjects)
	q := Question{Subject: tuple.Subject{Type: "user"}}
	if s < o.users {
		q.Subject.ID = id(prefix, 'u', s)
	} else {
		q.Subject = tuple.Subject{Type: "service_account", ID: id(prefix, 's', s-o.users)}
	}
	for i := range kinds {
		k := &kinds[i]
		size := k.count(o) * len(k.permissions)
		if rest < size {
			q.Permission = k.permissions[rest%len(k.permissions)]
			q.Object = tuple.Object{Type: k.typ, ID: id(prefix, k.letter, rest/len(k.permissions))}
			break
		}
		rest -= size
	}
	return q
}

// permutation maps [0, size) onto itself in a pseudo-random order: a Feistel
// network over the next even number of bits, walked until it lands below size.
type permutation struct {
	size, mask uint64
	half       uint
	keys       [4]uint64
}

func newPermutation(size, seed uint64) permutation {
	half := uint(bits.Len64(size)+1) / 2
	p := permutation{size: size, half: half, mask: 1<<half - 1}
	for i := range p.keys {
		p.keys[i] = mix(seed + uint64(i) + 1)
	}
	return p
}

// at is the place of n, n < p.size.
func (p *permutation) at(n uint64) uint64 {
	for {
		left, right := n>>p.half, n&p.mask
		for _, k := range p.keys {
			left, right = right, left^mix(right^k)&p.mask
		}
		if n = left<<p.half | right; n < p.size {
			return n
		}
	}
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
