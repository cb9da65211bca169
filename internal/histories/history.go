//go:build linux

package histories

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// moment is nanoseconds since a history began, by one monotonic clock.
type moment int64

// never is when something ends of which nobody knows the end.
const never = moment(math.MaxInt64)

// outcome is what a client knows of a write.
type outcome uint8

const (
	unknown outcome = iota // it may have happened, or may yet
	done                   // it has happened, at a revision
	refused                // it has not happened and will not
)

func (o outcome) String() string { return [...]string{"unknown", "done", "refused"}[o] }

// level is a consistency level.
type level uint8

const (
	anyLevel level = iota
	atLeast
	exactly
	latest
)

func (l level) String() string { return [...]string{"any", "at least", "exactly", "latest"}[l] }

// base is what all that a client did has in common.
type base struct {
	client    int
	node      string // asked last
	call, ret moment
	rev       uint64 // of the answer's view; of a write that is done
}

// update is one change of one tuple.
type update struct {
	key     tuple.Key
	content content
	create  bool // refused if there is one
}

// content is what a tuple has beside its key. Its zero value = there is none.
type content struct {
	present bool
	caveat  string
	context string
	expires int64
}

func contentOf(t tuple.Tuple) content { return content{true, t.Caveat, t.Context, t.Expires} }

// of returns the tuple of key with content c.
func (c content) of(key tuple.Key) tuple.Tuple {
	return tuple.Tuple{Object: key.Object, Relation: key.Relation, Subject: key.Subject, Caveat: c.caveat, Context: c.context, Expires: c.expires}
}

func (c content) String() string {
	if !c.present {
		return "absent"
	}
	return fmt.Sprint("present", strings.TrimPrefix(c.of(tuple.Key{}).String(), tuple.Key{}.String()))
}

// write is one atomic write, perhaps sent several times.
type write struct {
	base
	request *pb.WriteRequest
	updates []update
	outcome outcome
	exists  bool // refused because a tuple exists: an answer about the state
	left    bool // its client does not want to know any more
}

// read is what one read of all registers has found.
type read struct {
	base
	level  level
	at     uint64 // revision of the token sent
	values map[string]string
}

// ask is the answer to one question.
type ask struct {
	base
	level    level
	at       uint64
	question graph.Question // with the time that the answer names
	decision pb.Decision
}

// revision is what one revision has changed, as a watch tells it.
type revision struct {
	rev     uint64
	changes map[tuple.Key]content
}

// followed is what one watcher has seen from first on.
type followed struct {
	name      string
	first     uint64
	revisions []revision
	moves     int // how often it went on at a node
}

// sight is what a node once said about itself.
type sight struct {
	node    string
	at      moment
	term    uint64
	leads   bool
	applied uint64
}

// history is everything that clients have seen. Its methods may be called from
// any goroutine; the fields are read once all clients have left.
type history struct {
	began time.Time

	mu       sync.Mutex // guards what follows
	writes   []*write
	reads    []*read
	asks     []*ask
	followed []*followed
	sights   []sight
	estates  []*estate
	faults   []string // what is wrong beyond doubt, in words
}

func (h *history) now() moment { return moment(time.Since(h.began)) }

func (h *history) addWrite(w *write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, w)
}

func (h *history) addRead(r *read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, r)
}

func (h *history) addAsk(a *ask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asks = append(h.asks, a)
}

func (h *history) addFollowed(f *followed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followed = append(h.followed, f)
}

func (h *history) addSight(s sight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sights = append(h.sights, s)
}

func (h *history) addEstate(e *estate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.estates = append(h.estates, e)
}
