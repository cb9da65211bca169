package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	stuckAfter  = 2 * time.Second // a lane that has not been answered for so long takes no more
	streamPause = time.Second     // after a stream that was refused
	unfitPause  = time.Minute     // after a server that does not know frames
	streamIdle  = time.Minute     // a stream without questions is ended

	maxFlying = 512 // frames under way; the server takes 1,024 that wait
	maxLanes  = 256
	maxSpare  = 16 // empty frames kept
)

// A merger sends the checks for one server as frames on one stream. A question
// goes out at once if nothing of its kind is under way; else it waits for an
// answer to something earlier, and goes out with all that have come meanwhile.
// No timer is in that.
type merger struct {
	client *Client
	server *server

	mu     sync.Mutex
	live   *mergeStream      // guarded by mu; nil = none
	not    time.Time         // guarded by mu: no stream before this
	lanes  map[laneKey]*lane // guarded by mu: recent, and those that are not idle
	recent *lane             // guarded by mu: the last one that a question went to
	ready  []*lane           // guarded by mu: those that may send a frame
	flying map[uint64]*frame // guarded by mu: by id
	last   uint64            // guarded by mu: id of a frame
	floor  floor             // guarded by mu
	spare  []*frame          // guarded by mu: empty
}

// A mergeStream is one stream of frames.
type mergeStream struct {
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // has room for one element: there may be something to send
}

// enter puts a question on its way, or reports false: it should go by itself.
func (m *merger) enter(q *mergedCheck, key laneKey, r *CheckRequest, contextJSON string, now, end time.Time) bool {
	if !m.server.ready.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil && !m.beginLocked(now) {
		return false
	}
	l := m.laneLocked(key)
	if l == nil || l.isStuck(now, stuckAfter) {
		return false
	}
	if l.open != nil && l.open.isFull() {
		l.full, l.open = append(l.full, l.open), nil
	}
	if l.open == nil {
		l.open = m.frameLocked(l)
	}
	l.open.add(q, r, contextJSON, end)
	l.queued++
	m.listLocked(l)
	return true
}

// beginLocked starts a stream, if there can be one now.
func (m *merger) beginLocked(now time.Time) bool {
	if now.Before(m.not) {
		return false
	}
	c := m.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	ctx, cancel := context.WithCancel(c.closed)
	s := &mergeStream{ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1)}
	m.live, m.lanes, m.flying = s, map[laneKey]*lane{}, map[uint64]*frame{}
	c.loops.Go(func() { m.run(s) })
	return true
}

// laneLocked returns the lane of key, nil if there are too many.
func (m *merger) laneLocked(key laneKey) *lane {
	if m.recent != nil && m.recent.key == key {
		return m.recent
	}
	l := m.lanes[key]
	if l == nil {
		if len(m.lanes) >= maxLanes || len(m.flying) >= maxFlying {
			return nil
		}
		l = &lane{key: key, consistency: key.at.message()}
		m.lanes[key] = l
	}
	if m.recent != nil && m.recent.isIdle() {
		delete(m.lanes, m.recent.key)
	}
	m.recent = l
	return l
}

func (m *merger) frameLocked(l *lane) *frame {
	var f *frame
	if n := len(m.spare); n > 0 {
		f, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		f = newFrame()
	}
	f.lane = l
	f.body.Tenant, f.body.Consistency = l.key.tenant, l.consistency
	return f
}

// listLocked lets l's next frame be sent if it may go.
func (m *merger) listLocked(l *lane) {
	if l.listed || !l.mayGo(m.floor.frames()) {
		return
	}
	l.listed = true
	m.ready = append(m.ready, l)
	select {
	case m.live.wake <- struct{}{}:
	default:
	}
}

// run begins the stream and hands out answers until it ends.
func (m *merger) run(s *mergeStream) {
	defer s.cancel()
	stream, err := pb.NewPermissionServiceClient(m.server.conn).StreamCheck(m.client.outgoing(s.ctx))
	if err != nil {
		m.fail(s, err)
		return
	}
	var sender sync.WaitGroup
	sender.Go(func() { m.send(s, stream) })
	defer sender.Wait()
	defer s.cancel()
	for {
		answer, err := stream.Recv()
		if err == nil {
			err = m.receive(answer)
		}
		if err != nil {
			m.fail(s, err)
			return
		}
	}
}

// send sends what may go until the stream ends.
func (m *merger) send(s *mergeStream, stream grpc.BidiStreamingClient[pb.StreamCheckRequest, pb.StreamCheckResponse]) {
	idle := time.NewTicker(streamIdle)
	defer idle.Stop()
	for seen := uint64(0); ; {
		if f := m.next(s); f != nil {
			if stream.Send(&f.request) != nil {
				return // run has the reason
			}
			m.sent(f)
			continue
		}
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return
		case <-idle.C:
			last, ended := m.retire(s, seen)
			if ended {
				return
			}
			seen = last
		}
	}
}

// next returns a frame to send, now under way, or nil.
func (m *merger) next(s *mergeStream) *frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live != s || len(m.ready) == 0 {
		return nil
	}
	l := m.ready[0]
	m.ready = append(m.ready[:0], m.ready[1:]...)
	now := time.Now()
	f := l.take(now)
	l.listed = false
	m.listLocked(l)
	m.last++
	m.flying[m.last] = f
	f.depart(m.last, now)
	return f
}

// sent notes that f's message is not read any more.
func (m *merger) sent(f *frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.sent = true
	m.recycleLocked(f)
}

// recycleLocked lets f be used again once nobody uses it.
func (m *merger) recycleLocked(f *frame) {
	if f.sent && f.waiting == 0 && len(m.spare) < maxSpare {
		f.empty()
		m.spare = append(m.spare, f)
	}
}

// receive hands out the answers of one message. One goroutine calls it.
func (m *merger) receive(p *pb.StreamCheckResponse) error {
	m.mu.Lock()
	f := m.flying[p.GetId()]
	m.mu.Unlock()
	if f == nil {
		return errOdd
	}
	n, err := f.handOut(p)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, l := time.Now(), f.lane
	l.heard = now
	f.waiting -= n
	if f.waiting > 0 {
		return nil
	}
	m.floor.note(now, now.Sub(f.begun))
	delete(m.flying, p.GetId())
	l.flying--
	m.listLocked(l)
	if l.isIdle() && l != m.recent {
		delete(m.lanes, l.key)
	}
	m.recycleLocked(f)
	return nil
}

// errUnfit says that the server does not know frames.
var errUnfit = &Error{Code: codes.Unimplemented, Message: "the server does not take frames of checks"}

// fail ends the stream for all whose questions are on their way.
func (m *merger) fail(s *mergeStream, err error) {
	e := errorOf(m.server.addr, err)
	pause := streamPause
	switch {
	case e.Code == codes.Unimplemented:
		pause = unfitPause
	case cureOf(e) == elsewhere:
		pause = firstPause
	}
	m.mu.Lock()
	if m.live != s {
		m.mu.Unlock()
		return
	}
	m.not = time.Now().Add(pause)
	flying, lanes := m.flying, m.lanes
	m.live, m.lanes, m.recent, m.ready, m.flying, m.floor = nil, nil, nil, nil, nil, floor{}
	m.mu.Unlock()
	for _, f := range flying {
		f.fail(e)
	}
	for _, l := range lanes {
		for _, f := range l.full {
			f.fail(e)
		}
		if l.open != nil {
			l.open.fail(e)
		}
	}
}

// retire ends the stream if nothing is under way and nothing was sent since
// seen, the id of the last frame. It returns that of the last one now.
func (m *merger) retire(s *mergeStream, seen uint64) (last uint64, ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live != s || m.last != seen || len(m.flying) > 0 || len(m.ready) > 0 {
		return m.last, false
	}
	m.live, m.lanes, m.recent = nil, nil, nil
	s.cancel()
	return m.last, true
}

// isSilent reports whether questions are under way and none was answered for d.
func (m *merger) isSilent(now time.Time, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	silent := false
	for _, l := range m.lanes {
		if l.flying > 0 {
			if silent = l.isStuck(now, d); !silent {
				return false
			}
		}
	}
	return silent
}
