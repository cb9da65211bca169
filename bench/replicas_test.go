//go:build linux

package bench

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkReplicas offers 4,000 checks a second to three voters and two
// nonvoters, in turn: none, all to the leader, all to the nonvoters, and to these
// at the level latest; the others at any. 200 writes a second go to the leader
// beside them. It reports how much of one processor each node takes, and what
// clients wait for. All requests are due at fixed times, so that the load is the
// same in each turn; a table says which could not be sent. Nodes are processes.
// Quote the medians of one run:
// go test -run '^$' -bench Replicas ./bench (-benchtime 20x: 20 rounds, not 5)
func BenchmarkReplicas(b *testing.B) {
	f, p := newFleet(b), population(b, 100_000, 1)
	g := f.cluster(p, 2)
	nothing := &spread{name: "nothing"}
	onLeader := &spread{name: "any-on-leader", asked: []*process{g.leader}}
	onReplicas := &spread{name: "any-on-replicas", asked: g.replicas}
	latestOnReplicas := &spread{name: "latest-on-replicas", asked: g.replicas, level: atLatest}
	trials := []*spread{nothing, onLeader, onReplicas, latestOnReplicas}
	for _, t := range trials {
		t.group, t.questions = g, p.Questions(1, 0)
	}
	turns(b, spreadRounds, len(trials), func(i int) { trials[i].run(b) })
	g.stillLed(b)
	for _, t := range trials {
		verifyKept(b, p, t.reads())
		t.report(b)
	}
	leader := useOf([]*process{g.leader})
	const perThousand = 1e6 / spreadRate // ms of one processor for 1,000 checks
	// Replicas that are asked at any cost the leader nothing, and the machine as
	// much as the other trials, so they are what these are compared with.
	b.ReportMetric((onLeader.over(leader)-onReplicas.over(leader))*perThousand, "leader-ms/1000-any-on-leader")
	b.ReportMetric((latestOnReplicas.over(leader)-onReplicas.over(leader))*perThousand, "leader-ms/1000-latest-on-replicas")
	b.ReportMetric(0, "ns/op")
	b.Log("\n" + spreadTable(trials)) // at most ten lines are shown
}

const (
	spreadRate   = 4000 // checks a second: some two fifths of what two processors take, clients included
	spreadWrites = 200  // a second
	spreadLength = 2 * time.Second
	spreadRounds = 5
)

// spread is one way to spread questions over the nodes of a group.
type spread struct {
	name      string
	group     *trio
	asked     []*process // nil = no questions at all
	level     *pb.Consistency
	questions *Questions
	rounds    []spreadRound
}

type spreadRound struct {
	used          map[*process]float64 // of one processor
	reads, writes Result
}

func (s *spread) run(b *testing.B) {
	b.Helper()
	load := Load{
		Conns: dialAll(s.asked, s.level), Op: Check, Callers: 256, Rate: spreadRate, Duration: spreadLength,
		Questions: s.questions, Verify: 256,
	}
	written := s.group.leader.dial(nil)
	var r spreadRound
	used := usage(s.group.all())
	done := writeBeside(b, written, s.questions, spreadWrites, spreadLength)
	if len(s.asked) > 0 {
		var err error
		if r.reads, err = load.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	} else {
		<-time.After(spreadLength)
	}
	r.used = used() // before the writers delete what is left
	r.writes = done()
	s.rounds = append(s.rounds, r)
}

func (s *spread) reads() []Result {
	var reads []Result
	for _, r := range s.rounds {
		reads = append(reads, r.reads)
	}
	return reads
}

// over is the median of f over the rounds.
func (s *spread) over(f func(spreadRound) float64) float64 {
	var values []float64
	for _, r := range s.rounds {
		values = append(values, f(r))
	}
	return median(values)
}

// useOf is the mean use of some servers.
func useOf(servers []*process) func(spreadRound) float64 {
	return func(r spreadRound) float64 {
		sum := 0.0
		for _, s := range servers {
			sum += r.used[s]
		}
		return sum / float64(len(servers))
	}
}

func readP50(r spreadRound) float64     { return float64(r.reads.P50) }
func readP99(r spreadRound) float64     { return float64(r.reads.P99) }
func writeP50(r spreadRound) float64    { return float64(r.writes.P50) }
func writeP99(r spreadRound) float64    { return float64(r.writes.P99) }
func readsUnsent(r spreadRound) float64 { return float64(r.reads.Unsent) }

func (s *spread) report(b *testing.B) {
	b.ReportMetric(100*s.over(useOf([]*process{s.group.leader})), "leader-%cpu:"+s.name)
	b.ReportMetric(s.over(writeP99), "write-p99-us:"+s.name)
	if s.asked != nil {
		b.ReportMetric(s.over(readP99), "read-p99-us:"+s.name)
	}
}

// spreadTable prints what the trials came to: use in percent of one processor,
// times in microseconds.
func spreadTable(trials []*spread) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "questions\tleader\tfollower\treplica\tall nodes\treads p50\tp99\tunsent\twrites p50\tp99\t")
	for _, t := range trials {
		g, all := t.group, t.group.all()
		fmt.Fprintf(w, "%s\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t\n", t.name,
			100*t.over(useOf(all[:1])), 100*t.over(useOf(g.followers)), 100*t.over(useOf(g.replicas)), 100*t.over(useOf(all))*float64(len(all)),
			t.over(readP50), t.over(readP99), t.over(readsUnsent), t.over(writeP50), t.over(writeP99))
	}
	w.Flush()
	return out.String()
}
