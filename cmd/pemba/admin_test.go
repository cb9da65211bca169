package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// get asks a server's admin listener.
func (s served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	reply, err := http.Get("http://" + s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode, string(must(io.ReadAll(reply.Body)))
}

// metrics returns the value of each series.
func (s served) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	status, text := s.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			value, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			values[line[:at]] = value
		}
	}
	return values
}

// ask makes three checks, of which one fails, and a write.
func (s served) ask(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		status int
		stdin  string
		args   []string
	}{
		{exitOK, "definition user {}\ndefinition doc { relation viewer: user }", []string{"schema", "write", "-"}},
		{exitOK, "", []string{"tuple", "write", "doc:a#viewer@user:annabelle"}},
		{exitOK, "", []string{"check", "doc:a", "viewer", "user:annabelle"}},
		{exitNo, "", []string{"check", "doc:a", "viewer", "user:bob"}},
		{exitError, "", []string{"check", "dok:a", "viewer", "user:bob"}},
	} {
		if status, out, said := pemba(c.stdin, append(c.args, "--addr", s.addr)...); status != c.status {
			t.Fatalf("%v: status %d, %s%s", c.args, status, out, said)
		}
	}
}

func TestMetrics_SayWhatTheyPromiseAndCountRight(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue("server", 2)
	s := startServe(t)
	s.ask(t)
	got := s.metrics(t)
	const check = `method="Check",service="pemba.v1.PermissionService"`
	for series, want := range map[string]float64{
		`pemba_requests_total{code="OK",` + check + `}`:                                         2,
		`pemba_requests_total{code="InvalidArgument",` + check + `}`:                            1,
		`pemba_requests_in_flight{` + check + `}`:                                               0,
		`pemba_request_duration_seconds_count{` + check + `}`:                                   3,
		`pemba_request_duration_seconds_bucket{` + check + `,le="+Inf"}`:                        3,
		`pemba_requests_total{code="OK",method="Write",service="pemba.v1.TupleService"}`:        1,
		`pemba_requests_total{code="OK",method="WriteSchema",service="pemba.v1.SchemaService"}`: 1,
		`pemba_raft_state{state="leader"}`:                                                      1,
		`pemba_raft_state{state="follower"}`:                                                    0,
		`pemba_raft_members{voter="true"}`:                                                      1,
		`pemba_raft_lag_entries`:                                                                0,
		`pemba_raft_last_contact_seconds`:                                                       0,
		`pemba_raft_snapshot_index`:                                                             0,
		`pemba_ready`:                                                                           1,
		`pemba_store_tuples`:                                                                    1,
		`pemba_store_tenants`:                                                                   1,
		`pemba_walks_total`:                                                                     2,
		`pemba_cache_lookups_total{result="hit"}`:                                               0,
		`pemba_streams{kind="lasting"}`:                                                         0,
		`pemba_streams_limit{kind="read"}`:                                                      64,
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", series, value, ok, want)
		}
	}
	for _, series := range []string{
		"pemba_raft_term", "pemba_raft_commit_index", "pemba_raft_last_log_index", "pemba_raft_log_bytes", "pemba_disk_free_bytes",
		"pemba_store_applied_revision", "pemba_walk_steps_total", "go_goroutines", "process_resident_memory_bytes",
		`pemba_request_duration_seconds_sum{` + check + `}`,
	} {
		if got[series] <= 0 {
			t.Errorf("%s is %v", series, got[series])
		}
	}
	secured := startServe(t, "--tls-cert", cert, "--tls-key", key)
	if got := secured.metrics(t)[`pemba_tls_certificate_expiry_timestamp_seconds{port="client"}`]; got <= 0 {
		t.Errorf("the certificate expires at %v", got)
	}
}

func TestAdmin_AnswersProbesAndProfiles(t *testing.T) {
	s := startServe(t)
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		if status, text := s.get(t, path); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: status %d, %s", path, status, text)
		}
	}
}

func TestAdmin_ProfilesAreForThisMachine(t *testing.T) {
	h := local(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "profile") })
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "192.0.2.1:1": 403, "": 403} {
		w := httptest.NewRecorder()
		h(w, &http.Request{RemoteAddr: from})
		if w.Code != want {
			t.Errorf("from %q: status %d, want %d", from, w.Code, want)
		}
	}
}

func TestAdmin_OnlyAnAddressThatWasAskedForMustBeFree(t *testing.T) {
	taken := listen(t).Addr().String()
	log := discardLog()
	for given, fine := range map[bool]bool{false: true, true: false} {
		o := observeOptions{adminAddr: taken, adminGiven: given}
		l, err := (&serveOptions{observeOptions: o}).listenAdmin(log)
		if l != nil || (err == nil) != fine {
			t.Errorf("given %v: %v, %v", given, l, err)
		}
	}
	if l, err := (&serveOptions{observeOptions: observeOptions{adminAddr: "off", adminGiven: true}}).listenAdmin(log); l != nil || err != nil {
		t.Errorf("off: %v, %v", l, err)
	}
}

// A collector takes traces and keeps their bytes.
type traceCollector struct {
	mu    sync.Mutex
	bytes []byte
}

func (c *traceCollector) take(_ any, stream grpc.ServerStream) error {
	var m emptypb.Empty // keeps what it does not know
	if err := stream.RecvMsg(&m); err != nil {
		return err
	}
	c.mu.Lock()
	c.bytes = append(c.bytes, m.ProtoReflect().GetUnknown()...)
	c.mu.Unlock()
	return stream.SendMsg(&emptypb.Empty{})
}

func TestServe_SendsTracesAtTheLatestWhenItStops(t *testing.T) {
	collector := &traceCollector{}
	server := grpc.NewServer(grpc.UnknownServiceHandler(collector.take))
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go server.Serve(l)
	defer server.Stop()
	t.Run("serve", func(t *testing.T) {
		startServe(t, "--otlp-endpoint", "http://"+l.Addr().String(), "--trace-ratio", "1", "--node-id", "traced").ask(t)
	})
	collector.mu.Lock()
	defer collector.mu.Unlock()
	text := string(collector.bytes)
	for _, want := range []string{"pemba.v1.TupleService/Write", "propose", "pemba.v1.PermissionService/Check", "pemba.steps", "UNKNOWN_TYPE", "traced"} {
		if !strings.Contains(text, want) {
			t.Errorf("the traces lack %q", want)
		}
	}
	for _, secret := range []string{"doc:a", "annabelle"} {
		if strings.Contains(text, secret) {
			t.Errorf("the traces hold %q", secret)
		}
	}
}

func TestObserve_RefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		o    observeOptions
		fine bool
	}{
		{observeOptions{}, true},
		{observeOptions{otlp: "http://127.0.0.1:4317", traceRatio: 1}, true},
		{observeOptions{otlp: "127.0.0.1:4317"}, false},
		{observeOptions{traceRatio: 1.1}, false},
		{observeOptions{traceRatio: -1}, false},
	} {
		if err := c.o.validate(); (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}
