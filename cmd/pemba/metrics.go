package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/internal/telemetry"
	"github.com/pemba-authz/pemba/store"
)

// A measured is what the metrics are about. All of it is read when somebody
// asks; nothing is kept here.
type measured struct {
	meter   *telemetry.Meter
	server  *native.Server
	service *authz.Service
	checker *check.Checker
	store   *store.Store
	tls     *followed[tlsServer] // of the client port, nil = plaintext
	nodeTLS *followed[nodeTLS]   // of the node port, nil = plaintext
}

// collect reads all counters.
func (m *measured) collect(out chan<- prometheus.Metric) {
	e := metricsTo{out}
	e.requests(m.meter.Stats())
	e.streams(m.server.Stats())
	e.node(m.service)
	e.store(m.store.Stats())
	e.cache(m.checker.Stats())
	const expiry, when = "pemba_tls_certificate_expiry_timestamp_seconds", "When the certificate of a port expires."
	if m.tls != nil {
		e.gauge(expiry, when, float64(m.tls.now().expires.Unix()), "port", "client")
	}
	if m.nodeTLS != nil {
		e.gauge(expiry, when, float64(m.nodeTLS.now().pair.Leaf.NotAfter.Unix()), "port", "node")
	}
}

// metricsTo writes metrics.
type metricsTo struct{ out chan<- prometheus.Metric }

// labels are the names and values of labels, in turn.
func (e metricsTo) send(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	names, values := unzip(labels)
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

func (e metricsTo) gauge(name, help string, value float64, labels ...string) {
	e.send(prometheus.GaugeValue, name, help, value, labels...)
}

func (e metricsTo) counter(name, help string, value uint64, labels ...string) {
	e.send(prometheus.CounterValue, name, help, float64(value), labels...)
}

func unzip(labels []string) (names, values []string) {
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return names, values
}

func (e metricsTo) requests(methods []telemetry.MethodStats) {
	bounds := telemetry.Bounds()
	for _, m := range methods {
		service, method := m.Service, m.Method
		e.gauge("pemba_requests_in_flight", "Requests under way.", float64(m.InFlight), "service", service, "method", method)
		for code, n := range m.Codes {
			if n > 0 {
				e.counter("pemba_requests_total", "Requests that ended, by gRPC code.", n,
					"service", service, "method", method, "code", codes.Code(code).String())
			}
		}
		up := make(map[float64]uint64, len(bounds))
		sum := uint64(0)
		for i, bound := range bounds {
			sum += m.Latency.Counts[i]
			up[bound] = sum
		}
		desc := prometheus.NewDesc("pemba_request_duration_seconds",
			"Time that requests took in the server; of a stream, its length.", []string{"service", "method"}, nil)
		e.out <- prometheus.MustNewConstHistogram(desc, m.Latency.Count(), m.Latency.Sum, up, service, method)
	}
}

func (e metricsTo) streams(s native.Stats) {
	const underWay, most = "pemba_streams", "pemba_streams_limit"
	const help, helpMost = "Streams under way: lists and other reads, and those that last.", "The most streams at a time; more are refused."
	e.gauge(underWay, help, float64(s.Reads), "kind", "read")
	e.gauge(underWay, help, float64(s.Watches), "kind", "lasting")
	e.gauge(most, helpMost, float64(s.MaxReads), "kind", "read")
	e.gauge(most, helpMost, float64(s.MaxWatches), "kind", "lasting")
}

var raftStates = []string{"leader", "follower", "candidate", "shutdown"}

func (e metricsTo) node(service *authz.Service) {
	s := service.Status()
	e.gauge("pemba_info", "The node; always 1.", 1, "node_id", s.NodeID, "cluster_id", s.ClusterID, "version", versionText())
	e.gauge("pemba_ready", "1 if the node answers questions.", truth(service.Serving()))
	for _, state := range raftStates {
		e.gauge("pemba_raft_state", "1 for the node's part in the cluster.", truth(strings.EqualFold(s.State, state)), "state", state)
	}
	voters := 0
	for _, m := range s.Members {
		if m.Voter {
			voters++
		}
	}
	const members = "Members of the cluster as the node knows it."
	e.gauge("pemba_raft_members", members, float64(voters), "voter", "true")
	e.gauge("pemba_raft_members", members, float64(len(s.Members)-voters), "voter", "false")
	e.gauge("pemba_raft_term", "Raft term.", float64(s.Term))
	e.gauge("pemba_raft_commit_index", "Highest log index known to be committed.", float64(s.CommitIndex))
	e.gauge("pemba_raft_last_log_index", "Highest index in the log.", float64(s.LastLogIndex))
	e.gauge("pemba_raft_lag_entries", "Committed log entries behind the newest view; a few of them carry no write.", float64(s.CommitIndex-min(s.Applied, s.CommitIndex)))
	e.gauge("pemba_raft_last_contact_seconds", "Time since the node was last up to date with a leader; 0 on the leader.", s.LastContact.Seconds())
	e.gauge("pemba_clock_off_seconds", "How far the node's clock is ahead of what writes may say, or, below 0, behind the cluster's time; 0 = not so far that it matters.", s.ClockOff.Seconds())
	e.gauge("pemba_raft_snapshot_index", "Log index of the newest snapshot file; 0 = none.", float64(s.SnapshotIndex))
	e.gauge("pemba_raft_log_bytes", "Size of the log written since that snapshot.", float64(s.LogBytes))
	if s.DiskFree >= 0 {
		e.gauge("pemba_disk_free_bytes", "Free room on the disk of the data directory.", float64(s.DiskFree))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e metricsTo) store(s store.Stats) {
	e.gauge("pemba_store_applied_revision", "Revision of the newest view.", float64(s.Revision))
	e.gauge("pemba_store_horizon_revision", "Oldest readable revision.", float64(s.Horizon))
	e.gauge("pemba_store_tenants", "Tenants.", float64(s.Tenants))
	e.gauge("pemba_store_tuples", "Tuples at the newest revision.", float64(s.Tuples))
	e.gauge("pemba_store_tuple_versions", "Versions of tuples in memory.", float64(s.Versions))
	e.gauge("pemba_store_nodes", "Interned objects and subjects.", float64(s.Nodes))
	e.gauge("pemba_store_record_versions", "Versions of records in memory.", float64(s.Records))
	e.gauge("pemba_store_request_ids", "Request ids whose outcome is kept.", float64(s.Requests))
	e.gauge("pemba_store_changes", "Changes kept for watches.", float64(s.Changes))
}

func (e metricsTo) cache(s check.Stats) {
	const asked = "Questions by what the cache knew."
	e.counter("pemba_cache_lookups_total", asked, s.Hits, "result", "hit")
	e.counter("pemba_cache_lookups_total", asked, s.Misses, "result", "miss")
	e.counter("pemba_cache_lookups_total", asked, s.Stale, "result", "stale")
	e.counter("pemba_cache_sets_total", "Answers given to the cache.", s.Sets)
	e.counter("pemba_cache_rejected_total", "Answers that the cache was too busy to take.", s.Rejected)
	e.counter("pemba_walks_total", "Questions answered by a walk.", s.Walks)
	e.counter("pemba_walk_steps_total", "Steps of those walks.", s.Steps)
	e.counter("pemba_walk_reads_total", "Reads of those walks.", s.Reads)
}
