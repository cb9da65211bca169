package codec

import pb "github.com/pemba-authz/pemba/proto/pemba/v1"

func (e *encoder) listObjectsResponse(m *pb.ListObjectsResponse) {
	e.known(m)
	for _, o := range m.Objects {
		start := e.open(1)
		if o != nil {
			e.known(o)
			e.listed(o.Id, o.Decision, o.MissingContext, o.Error)
		}
		e.close(start)
	}
	e.string(2, m.Cursor)
	e.number(3, m.Count)
	e.string(4, m.Token)
	e.time(5, m.DecisionTime)
	e.number(6, m.ConditionalCount)
	e.number(7, m.UndecidedCount)
}

func (e *encoder) listSubjectsResponse(m *pb.ListSubjectsResponse) {
	e.known(m)
	for _, s := range m.Subjects {
		start := e.open(1)
		if s != nil {
			e.known(s)
			e.listed(s.Id, s.Decision, s.MissingContext, s.Error)
		}
		e.close(start)
	}
	e.string(2, m.Cursor)
	e.number(3, m.Count)
	e.string(4, m.Token)
	e.time(5, m.DecisionTime)
	e.number(6, m.ConditionalCount)
	e.number(7, m.UndecidedCount)
	e.number(8, m.ExceptedCount)
}

// listed writes the fields of a result of either list.
func (e *encoder) listed(id string, d pb.Decision, missing []string, failure *pb.Error) {
	e.string(1, id)
	e.number(2, int64(d))
	for _, name := range missing {
		e.element(3, name)
	}
	e.failure(4, failure)
}
