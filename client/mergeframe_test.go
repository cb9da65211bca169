package client

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Whatever a server says, each caller is told at most once, of its own question.
func FuzzFrame_HandOut(f *testing.F) {
	f.Add([]byte{0x08, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p pb.StreamCheckResponse
		if err := proto.Unmarshal(b, &p); err != nil {
			return
		}
		fr := newFrame()
		checks := make([]*mergedCheck, 3)
		for i := range checks {
			checks[i] = &mergedCheck{done: make(chan struct{}, 1)}
			fr.add(checks[i], &CheckRequest{Permission: "view"}, "", time.Time{})
		}
		n, err := fr.handOut(&p)
		got := 0
		for _, q := range checks {
			select {
			case <-q.done:
				if got++; q.failure("") == nil {
					_, _ = q.result()
				}
			default:
			}
		}
		if n != got {
			t.Fatalf("%d are told, it says %d, %v", got, n, err)
		}
		fr.fail(&Error{})
	})
}

func TestFloor_FramesUnderWayFollowTheNetwork(t *testing.T) {
	start := time.Unix(0, 0)
	var f floor
	if n := f.frames(); n != 1 {
		t.Errorf("at first %d frames", n)
	}
	for _, c := range []struct {
		after, took time.Duration
		want        int
	}{
		{0, 3 * time.Millisecond, 6},
		{time.Second, 200 * time.Microsecond, 1},
		{2 * time.Second, 4 * time.Millisecond, 1},
		{12 * time.Second, 2 * time.Millisecond, 1}, // the span before has the shortest
		{23 * time.Second, 2 * time.Millisecond, 4},
		{34 * time.Second, time.Second, 4},
		{45 * time.Second, time.Second, mostFlying},
	} {
		f.note(start.Add(c.after), c.took)
		if n := f.frames(); n != c.want {
			t.Errorf("after %v: %d frames, want %d", c.after, n, c.want)
		}
	}
}

func TestLane_GoesAtOnceOrInCompany(t *testing.T) {
	for _, c := range []struct {
		queued, flying, always int
		want                   bool
	}{
		{0, 0, 1, false}, {1, 0, 1, true}, {1, 1, 1, false}, {worthFlying, 1, 1, true},
		{worthFlying, mostFlying, mostFlying, false}, {1, 1, 2, true},
	} {
		l := lane{queued: c.queued, flying: c.flying}
		if l.mayGo(c.always) != c.want {
			t.Errorf("%+v", c)
		}
	}
}
