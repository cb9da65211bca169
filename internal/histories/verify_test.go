//go:build linux

package histories

import (
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// sound is a short history without anything wrong: a register is written and
// read, and a user gets access to a document and loses it.
func sound() *verifier {
	h := &history{}
	v := &verifier{history: h, first: 10, last: 20}
	add := func(rev uint64, call moment, u *pb.Update) {
		request := &pb.WriteRequest{Updates: []*pb.Update{u}}
		w := &write{request: request, updates: updatesOf(request), outcome: done}
		w.base = base{client: 1, node: "n1", call: call, ret: call + 5, rev: rev}
		h.writes = append(h.writes, w)
		v.log = append(v.log, revision{rev, map[tuple.Key]content{w.updates[0].key: w.updates[0].content}})
	}
	access := tuple.Tuple{Object: tuple.Object{Type: "doc", ID: "d0"}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: "u0"}}
	add(11, 10, touch(registerTuple(0, "a")))
	add(12, 20, touch(registerTuple(0, "b")))
	add(13, 30, touch(access))
	add(14, 40, remove(access))
	for i, value := range []string{"a", "b"} {
		rev := uint64(11 + i)
		h.reads = append(h.reads, &read{base: base{client: 2, node: "n2", call: moment(16 + 10*i), ret: moment(18 + 10*i), rev: rev},
			level: latest, values: map[string]string{"r0": value}})
	}
	q := graph.Question{Object: access.Object, Permission: "view", Subjects: []tuple.Subject{access.Subject}, Now: 1}
	for i, d := range []pb.Decision{pb.Decision_DECISION_ALLOWED, pb.Decision_DECISION_DENIED} {
		rev := uint64(13 + i)
		h.asks = append(h.asks, &ask{base: base{client: 3, node: "n3", call: 50, ret: 55, rev: rev}, level: exactly, at: rev, question: q, decision: d})
	}
	h.followed = []*followed{{name: "w", first: 10, revisions: v.log[:3:3]}}
	h.sights = []sight{{"n1", 1, 2, true, 11}, {"n1", 2, 2, true, 11}, {"n2", 3, 3, true, 11}, {"n2", 4, 3, true, 11}}
	return v
}

func TestVerifier_FindsNothingInASoundHistory(t *testing.T) {
	if found := sound().verify(); found != nil {
		t.Error(found)
	}
}

func TestVerifier_FindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*verifier)
		kind  string
	}{
		"a lost write":           {func(v *verifier) { v.log = append(v.log[:1:1], v.log[2:]...) }, "acknowledged write"},
		"a write behind the end": {func(v *verifier) { v.history.writes[3].rev = 21 }, "acknowledged write"},
		"a write applied twice": {func(v *verifier) {
			v.log = append(v.log, revision{19, v.log[0].changes})
		}, "unexplained change"},
		"a write of unknown fate applied twice": {func(v *verifier) {
			v.history.writes[0].outcome = unknown
			v.log = append(v.log, revision{19, v.log[0].changes})
		}, "unexplained change"},
		"a refused write that has happened": {func(v *verifier) { v.history.writes[1].outcome = refused }, "unexplained change"},
		"a write that nobody made":          {func(v *verifier) { v.history.writes = v.history.writes[1:] }, "unexplained change"},
		"a stale read": {func(v *verifier) {
			v.history.reads[1].rev, v.history.reads[1].values = 11, v.history.reads[0].values
		}, "real time"},
		"two writes in the wrong order": {func(v *verifier) { v.history.writes[0].base.rev = 15 }, "real time"},
		"a read of the wrong value":     {func(v *verifier) { v.history.reads[0].values = nil }, "read"},
		"no order of reads and writes":  {func(v *verifier) { v.history.reads[0].values = map[string]string{"r0": "b"} }, "linearizability"},
		"another revision than exactly": {func(v *verifier) { v.history.asks[0].at = 12 }, "level"},
		"an earlier one than at least": {func(v *verifier) {
			v.history.asks[0].level, v.history.asks[0].at = atLeast, 14
		}, "level"},
		"an old answer at any": {func(v *verifier) {
			r := v.history.reads[0]
			r.level, r.call, r.ret = anyLevel, moment(time.Minute), moment(time.Minute)+1
		}, "staleness"},
		"a wrong allowed":           {func(v *verifier) { v.history.asks[1].decision = pb.Decision_DECISION_ALLOWED }, "answer"},
		"a wrong denied":            {func(v *verifier) { v.history.asks[0].decision = pb.Decision_DECISION_DENIED }, "answer"},
		"a gap in a watch":          {func(v *verifier) { v.history.followed[0].revisions = v.log[1:] }, "watch"},
		"a change told twice":       {func(v *verifier) { v.history.followed[0].revisions = append(v.log[:1:1], v.log...) }, "watch"},
		"two leaders in a term":     {func(v *verifier) { v.history.sights[2].term, v.history.sights[3].term = 2, 2 }, "two leaders"},
		"revisions out of order":    {func(v *verifier) { v.log[0], v.log[1] = v.log[1], v.log[0] }, "order of revisions"},
		"what a client has noticed": {func(v *verifier) { v.history.fault("new enemy") }, "seen"},
	} {
		t.Run(name, func(t *testing.T) {
			v := sound()
			c.spoil(v)
			found := v.verify()
			for _, f := range found {
				if strings.HasPrefix(f, c.kind+": ") {
					return
				}
			}
			t.Errorf("nothing found of kind %q but %q", c.kind, found)
		})
	}
}

func TestVerifier_OneKindOfNoticeDoesNotHideAnother(t *testing.T) {
	v := sound()
	for i := range 100 {
		v.history.fault("tenant t%d: gone", i)
	}
	v.history.fault("the state of n1 is another")
	found := v.verify()
	if len(found) != most+2 || found[len(found)-1] != "seen: the state of n1 is another" {
		t.Errorf("found %q", found)
	}
}
