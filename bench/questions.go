package bench

import (
	"github.com/pemba-authz/pemba/proto/codec"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// Question asks whether Subject has Permission on Object.
type Question struct {
	Object     tuple.Object
	Permission string
	Subject    tuple.Subject
	part       int // of the population that both belong to, 0 if it has no parts
}

func (q Question) String() string {
	return q.Object.String() + " " + q.Permission + " " + q.Subject.String()
}

// Request is q as a Check request at consistency any.
func (q *Question) Request(tenant string) *pb.CheckRequest {
	return &pb.CheckRequest{
		Tenant:     tenant,
		Object:     &pb.Object{Type: q.Object.Type, Id: q.Object.ID},
		Permission: q.Permission,
		Subject:    subjectMessage(q.Subject),
	}
}

// item is q as a part of a batch.
func (q *Question) item() *pb.BatchCheckItem {
	return &pb.BatchCheckItem{
		Object:     &pb.Object{Type: q.Object.Type, Id: q.Object.ID},
		Permission: q.Permission,
		Subject:    subjectMessage(q.Subject),
	}
}

// plain is q as a part of a batch that is used again.
func (q *Question) plain() codec.Question {
	return codec.Question{
		HasObject: true, HasSubject: true, ObjectType: q.Object.Type, ObjectID: q.Object.ID, Permission: q.Permission,
		SubjectType: q.Subject.Type, SubjectID: q.Subject.ID, SubjectRelation: q.Subject.Relation,
	}
}

func subjectMessage(s tuple.Subject) *pb.Subject {
	return &pb.Subject{Type: s.Type, Id: s.ID, Relation: s.Relation}
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

// question is the n-th question about o, n < o.questions().
func (o *org) question(n uint64) Question {
	subjects := uint64(o.users + o.accounts)
	s, rest := int(n%subjects), int(n/subjects)
	q := Question{Subject: o.subject(s), part: o.index}
	for i := range kinds {
		k := &kinds[i]
		size := k.count(o) * len(k.permissions)
		if rest < size {
			q.Permission = k.permissions[rest%len(k.permissions)]
			q.Object = tuple.Object{Type: k.typ, ID: id(o.prefix, k.letter, rest/len(k.permissions))}
			break
		}
		rest -= size
	}
	return q
}

// subject is the n-th of those who ask: the users, then the service accounts.
func (o *org) subject(n int) tuple.Subject {
	if n < o.users {
		return tuple.Subject{Type: "user", ID: id(o.prefix, 'u', n)}
	}
	return tuple.Subject{Type: "service_account", ID: id(o.prefix, 's', n-o.users)}
}
