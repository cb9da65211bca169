package bench

import (
	"errors"
	"fmt"
	"sort"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/pemba-authz/pemba/examples"
	"github.com/pemba-authz/pemba/tuple"
)

// Schema is the schema of the cloud example, which populations of IAM obey.
var Schema = sync.OnceValues(func() (string, error) {
	var file struct {
		Schema string `yaml:"schema"`
	}
	if err := yaml.Unmarshal([]byte(examples.Cloud), &file); err != nil {
		return "", fmt.Errorf("read the cloud example: %w", err)
	}
	if file.Schema == "" {
		return "", errors.New("read the cloud example: it has no schema")
	}
	return file.Schema, nil
})

// iam is the cloud example at scale: organizations of equal size. Questions are
// about a subject and an object of the same one.
type iam struct {
	seed   uint64
	orgs   []org
	starts []uint64 // of each organization, in the numbering of all questions
	all    uint64   // questions
}

func newIAM(p Plan) *iam {
	s := &iam{seed: p.Seed, orgs: make([]org, p.Parts)}
	left := p.Tuples
	for i := range s.orgs {
		budget := left / (len(s.orgs) - i)
		left -= budget
		s.orgs[i] = planOrg(i, budget)
		s.orgs[i].instances = s.orgs[i].generate(p.Seed, func(tuple.Tuple) bool { return true })
		s.starts = append(s.starts, s.all)
		s.all += s.orgs[i].questions()
	}
	return s
}

func (s *iam) schema() (string, error) { return Schema() }

func (s *iam) tuples(yield func(tuple.Tuple) bool) {
	for i := range s.orgs {
		stopped := false
		s.orgs[i].generate(s.seed, func(t tuple.Tuple) bool {
			stopped = !yield(t)
			return !stopped
		})
		if stopped {
			return
		}
	}
}

func (s *iam) total() uint64 { return s.all }

func (s *iam) question(n uint64) Question {
	i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > n }) - 1
	return s.orgs[i].question(n - s.starts[i])
}

func (s *iam) listed(q *Question, op Op) (int, func(int) string) {
	o := &s.orgs[q.part]
	letter, count := o.candidates(q, op)
	return count, func(i int) string { return id(o.prefix, letter, i) }
}

// candidates says of which kind, and how many, what a list about q may hold is.
func (o *org) candidates(q *Question, op Op) (letter byte, count int) {
	switch {
	case op == ListObjects:
		for _, k := range kinds {
			if k.typ == q.Object.Type {
				return k.letter, k.count(o)
			}
		}
	case q.Subject.Type == "user":
		return 'u', o.users
	}
	return 's', o.accounts
}

// facts generates the whole organization: its tuples cannot be made one object
// at a time.
func (s *iam) facts(part int) func(tuple.Object) []tuple.Tuple {
	byObject := make(map[tuple.Object][]tuple.Tuple)
	s.orgs[part].generate(s.seed, func(t tuple.Tuple) bool {
		byObject[t.Object] = append(byObject[t.Object], t)
		return true
	})
	return func(o tuple.Object) []tuple.Tuple { return byObject[o] }
}

// scratch is an instance in no folder and a user in no group.
func (s *iam) scratch(object, subject string) tuple.Tuple {
	return tuple.Tuple{Object: tuple.Object{Type: "instance", ID: object}, Relation: "compute_operator",
		Subject: tuple.Subject{Type: "user", ID: subject}}
}
