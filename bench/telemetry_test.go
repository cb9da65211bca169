//go:build linux

package bench

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// BenchmarkTelemetry asks four nodes that are alone in turn, with 64 callers:
// without metrics; the same again, which shows what differs between two
// processes anyway; with metrics, read once a second; with metrics and a thousandth
// of the requests traced, as is the default. It reports throughput and the
// node's processor time a check as ratios to the first. Quote the medians of
// one run: go test -run '^$' -bench Telemetry ./bench (-benchtime 100x: 100 rounds, not 30)
func BenchmarkTelemetry(b *testing.B) {
	f, p := newFleet(b), population(b, 100_000, 1)
	spans := newSpanSink(b)
	trials := []*telemetryTrial{
		{name: "off", server: f.single(p, "off")},
		{name: "off-again", server: f.single(p, "off-again")},
		{name: "metrics", server: f.single(p, "metrics", "--admin-addr", readEvery(b, time.Second))},
		{name: "metrics-and-traces", server: f.single(p, "traces", "--admin-addr", readEvery(b, time.Second), "--otlp-endpoint", "http://"+spans.addr)},
	}
	for _, t := range trials {
		t.load = Load{Conns: []*grpc.ClientConn{t.server.dial(nil)}, Op: Check, Callers: 64, Duration: 300 * time.Millisecond, Questions: p.Questions(1, 0), Verify: 64}
		t.run(b) // to warm up
		t.results, t.used = nil, 0
	}
	const rounds = 30
	turns(b, rounds, len(trials), func(i int) { trials[i].run(b) })
	for _, t := range trials {
		verifyKept(b, p, t.results)
	}
	b.ReportMetric(median(each(trials[0].results, perSecond)), "off/s")
	b.ReportMetric(perCheck(trials[0].used, trials[0].results), "off-cpu-us/check")
	for _, t := range trials[1:] {
		b.ReportMetric(medianRatio(each(t.results, perSecond), each(trials[0].results, perSecond)), t.name+"-ratio")
		b.ReportMetric(perCheck(t.used, t.results)/perCheck(trials[0].used, trials[0].results), t.name+"-cpu-ratio")
	}
	b.ReportMetric(0, "ns/op")
	if spans.bytes.Load() == 0 {
		b.Error("the collector got no traces")
	}
}

// telemetryTrial is one way to observe a node.
type telemetryTrial struct {
	name    string
	server  *process
	load    Load
	results []Result
	used    time.Duration // of a processor, in all rounds
}

func (t *telemetryTrial) run(b *testing.B) {
	b.Helper()
	before := t.server.processorTime()
	r, err := t.load.Run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	t.used += t.server.processorTime() - before
	t.results = append(t.results, r)
}

// readEvery returns an address at which a node is to serve metrics, which are
// read from then on.
func readEvery(b *testing.B, interval time.Duration) string {
	b.Helper()
	addr := freeAddr(b)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-b.Context().Done():
				return
			}
			if answer, err := http.Get("http://" + addr + "/metrics"); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}
	}()
	return addr
}

// spanSink takes traces, counts their bytes and forgets them.
type spanSink struct {
	addr  string
	bytes atomic.Int64
}

func newSpanSink(b *testing.B) *spanSink {
	b.Helper()
	listener := listen(b)
	c := &spanSink{addr: listener.Addr().String()}
	// Any message parses as an empty one with unknown fields, and every field of
	// the answer may be absent: OTLP's own types are not needed.
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var m emptypb.Empty
		if err := stream.RecvMsg(&m); err != nil {
			return fmt.Errorf("receive traces: %w", err)
		}
		c.bytes.Add(int64(len(m.ProtoReflect().GetUnknown())))
		return stream.SendMsg(&emptypb.Empty{})
	}))
	go server.Serve(listener)
	b.Cleanup(server.Stop)
	return c
}
