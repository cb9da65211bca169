//go:build linux

package histories

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// A network joins sites by a switch, and cuts some off from others. A cut drops
// packets without a word, as a broken cable does. The clients, at the hub, are
// never cut off.
type network struct {
	hub   *site // nil = all sites are on loopback, and nothing can be cut
	sites []*site
	cuts  map[cut]bool
}

// cut drops what from sends to to; both are places in network.sites.
type cut struct{ from, to int }

const netMask = "24"

// loopback is a network of n sites that cannot be cut. Each has a loopback address
// of its own by chance, so that nobody takes the ports of a node while it is dead:
// 127.0.0.1 is also where connections come from.
func loopback(n int) (*network, error) {
	w := &network{cuts: map[cut]bool{}}
	for range n {
		ip := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		s, err := newSite(ip, 0)
		if err != nil {
			w.close()
			return nil, err
		}
		w.sites = append(w.sites, s)
	}
	return w, nil
}

// separate is a network of n sites with networks and mounts of their own.
func separate(n int) (*network, error) {
	hub, err := newSite("10.9.0.254", syscall.CLONE_NEWNET)
	if err != nil {
		return nil, err
	}
	w := &network{hub: hub, cuts: map[cut]bool{}}
	err = runAll(hub, "ip link set lo up", "ip link add hub type bridge", "ip link set hub up", "ip addr add 10.9.0.254/"+netMask+" dev hub")
	for i := 0; i < n && err == nil; i++ {
		err = w.attach(i)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *network) attach(i int) error {
	s, err := newSite(fmt.Sprintf("10.9.0.%d", i+1), syscall.CLONE_NEWNET|syscall.CLONE_NEWNS)
	if err != nil {
		return err
	}
	w.sites = append(w.sites, s)
	err = runAll(s, "ip link set lo up",
		fmt.Sprintf("ip link add eth0 type veth peer name port%d netns %d", i, w.hub.tid),
		"ip link set eth0 up", "ip addr add "+s.ip+"/"+netMask+" dev eth0",
		// Rules that drop must come before the one that delivers to this site.
		"ip rule add pref 1000 table local", "ip rule del pref 0")
	if err != nil {
		return err
	}
	return w.hub.run(fmt.Sprintf("ip link set port%d master hub up", i))
}

func runAll(s *site, commands ...string) error {
	for _, c := range commands {
		if err := s.run(c); err != nil {
			return err
		}
	}
	return nil
}

// canCut reports whether sites can be cut off.
func (w *network) canCut() bool { return w.hub != nil }

// cut drops from now on what each of from sends to each of to.
func (w *network) cut(from, to []int) error {
	for _, f := range from {
		for _, t := range to {
			c := cut{f, t}
			if f == t || w.cuts[c] {
				continue
			}
			if err := w.sites[t].run(fmt.Sprintf("ip rule add pref %d from %s blackhole", 100+f, w.sites[f].ip)); err != nil {
				return err
			}
			w.cuts[c] = true
		}
	}
	return nil
}

// heal ends all cuts.
func (w *network) heal() error {
	for c := range w.cuts {
		if err := w.sites[c.to].run(fmt.Sprintf("ip rule del pref %d", 100+c.from)); err != nil {
			return err
		}
		delete(w.cuts, c)
	}
	return nil
}

// dialTimeout bounds a connection of a client. Nothing is far away.
const dialTimeout = 2 * time.Second

// dial connects a client, which is at the hub.
func (w *network) dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if w.hub == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	var conn net.Conn
	err := w.hub.do(func() (err error) {
		conn, err = d.DialContext(ctx, "tcp", addr)
		return err
	})
	return conn, err
}

// close ends the sites' threads, and with them what runs there.
func (w *network) close() {
	for _, s := range w.sites {
		s.close()
	}
	if w.hub != nil {
		w.hub.close()
	}
}
