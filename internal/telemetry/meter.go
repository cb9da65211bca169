package telemetry

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Meter counts requests by method. Its methods may be called from any
// goroutine.
type Meter struct {
	mu      sync.Mutex
	methods []*Method // guarded by mu
}

// codes is the number of gRPC's status codes.
const codes = 17

// A Method counts the requests of one method. Its methods may be called from
// any goroutine.
type Method struct {
	service, name string
	stream        bool
	stripes       []stripe             // a power of two
	failed        [codes]atomic.Uint64 // by code; not those that are OK
}

// Method returns the counters of a method. A nil Meter returns a nil Method,
// which counts nothing.
func (m *Meter) Method(service, name string, stream bool) *Method {
	if m == nil {
		return nil
	}
	n := 1
	for n < min(runtime.GOMAXPROCS(0), 64) {
		n *= 2
	}
	method := &Method{service: service, name: name, stream: stream, stripes: make([]stripe, n)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.methods = append(m.methods, method)
	return method
}

// A Call is a request under way.
type Call struct {
	method *Method
	stripe *stripe
	begin  time.Duration // since origin
}

// origin makes times small numbers that one monotonic reading gives.
var origin = time.Now()

// Begin counts a request that begins. Its End must follow.
func (m *Method) Begin() Call {
	if m == nil {
		return Call{}
	}
	s := &m.stripes[rand.Uint32()&uint32(len(m.stripes)-1)]
	s.begun.Add(1)
	return Call{m, s, time.Since(origin)}
}

// End counts how the request ended, by its gRPC code.
func (c Call) End(code uint32) {
	if c.method == nil {
		return
	}
	c.end(time.Since(origin), code)
}

func (c Call) end(now time.Duration, code uint32) {
	d := int64(now - c.begin)
	c.stripe.sum.Add(d)
	c.stripe.ended[bucketOf(d)].Add(1)
	if code != 0 {
		c.method.failed[min(code, codes-1)].Add(1)
	}
}

// A Series is requests that one goroutine answers one after the other, for one
// reading of the clock each. They are never seen in flight.
type Series struct {
	method *Method
	stripe *stripe
	last   time.Duration // when the last one ended, since origin
}

// Series begins with the first request. It may end with any.
func (m *Method) Series() Series {
	if m == nil {
		return Series{}
	}
	return Series{m, &m.stripes[rand.Uint32()&uint32(len(m.stripes)-1)], time.Since(origin)}
}

// Ended counts a request that began when the last one ended, by its gRPC code.
func (s *Series) Ended(code uint32) {
	if s.method == nil {
		return
	}
	s.stripe.begun.Add(1)
	now := time.Since(origin)
	Call{s.method, s.stripe, s.last}.end(now, code)
	s.last = now
}

// MethodStats is what a method has come to.
type MethodStats struct {
	Service, Method string
	Stream          bool
	InFlight        uint64
	Codes           [codes]uint64 // requests that ended, by gRPC code
	Latency         Histogram     // of requests that ended
}

// Stats returns the counters of every method that was ever called. Each is
// exact, together they are not one moment's.
func (m *Meter) Stats() []MethodStats {
	m.mu.Lock()
	methods := m.methods
	m.mu.Unlock()
	var out []MethodStats
	for _, method := range methods {
		if s, called := method.stats(); called {
			out = append(out, s)
		}
	}
	return out
}

func (m *Method) stats() (s MethodStats, called bool) {
	s = MethodStats{Service: m.service, Method: m.name, Stream: m.stream}
	// Failures are counted last and read first, and beginnings the other way
	// round, so that no difference is negative.
	var failed uint64
	for code := range m.failed {
		s.Codes[code] = m.failed[code].Load()
		failed += s.Codes[code]
	}
	var nanoseconds int64
	for i := range m.stripes {
		nanoseconds += m.stripes[i].sum.Load()
		for b := range m.stripes[i].ended {
			s.Latency.Counts[b] += m.stripes[i].ended[b].Load()
		}
	}
	s.Latency.Sum = time.Duration(nanoseconds).Seconds()
	var begun uint64
	for i := range m.stripes {
		begun += m.stripes[i].begun.Load()
	}
	ended := s.Latency.Count()
	s.Codes[0] = ended - failed
	s.InFlight = begun - ended
	return s, begun > 0
}
