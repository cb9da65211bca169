//go:build linux

package histories

import (
	"context"
	"net"
	"testing"
	"time"
)

// A cut stops an established connection in one direction only, and healing
// brings what was lost.
func TestNetwork_CutIsOneWay(t *testing.T) {
	if err := canUnshare(); err != nil {
		t.Skip(err)
	}
	w, err := separate(2)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	here, there := connect(t, w)
	defer here.Close()
	defer there.Close()
	say := func(from, to net.Conn, text string, arrives bool) {
		t.Helper()
		if _, err := from.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		wait := 10 * time.Second
		if !arrives {
			wait = 300 * time.Millisecond
		}
		to.SetReadDeadline(time.Now().Add(wait))
		buf := make([]byte, len(text))
		n, err := to.Read(buf)
		if arrived := err == nil && n == len(text); arrived != arrives {
			t.Fatalf("%q: arrived %v, want %v: %v", text, arrived, arrives, err)
		}
	}
	say(here, there, "a", true)
	say(there, here, "b", true)
	if err := w.cut([]int{0}, []int{1}); err != nil {
		t.Fatal(err)
	}
	say(here, there, "c", false)
	if err := w.heal(); err != nil {
		t.Fatal(err)
	}
	there.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := there.Read(make([]byte, 1)); err != nil {
		t.Fatalf("after healing: %v", err)
	}
	say(here, there, "d", true)
	say(there, here, "e", true)
}

// connect connects site 0 to site 1.
func connect(t *testing.T, w *network) (from, to net.Conn) {
	t.Helper()
	var l net.Listener
	err := w.sites[1].do(func() (err error) {
		l, err = net.Listen("tcp", w.sites[1].ip+":7000")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = w.sites[0].do(func() (err error) {
		from, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", l.Addr().String())
		return err
	})
	if err == nil {
		to, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return from, to
}
