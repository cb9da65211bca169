package bench

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestMeasure_EveryOperationIsVerified(t *testing.T) {
	p := population(t, 2*MinTuples, 1)
	load := Load{Conns: serve(t, p, 0, 2), Callers: 3, Requests: 150, Batch: 7, Questions: p.Questions(1, 0), Verify: 60}
	load.Merging = merging(t, load.Conns)
	series, err := Measure(t.Context(), load, Ops, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range series {
		if s.Op != Ops[i] || len(s.Rounds) != 2 || s.PerSecond <= 0 {
			t.Errorf("%s: %+v", Ops[i], s)
		}
		for _, r := range s.Rounds {
			if r.Requests != 150 || r.Items == 0 || r.Max == 0 {
				t.Errorf("%s: %+v", s.Op, r)
			}
		}
		if decides := !s.Op.IsEcho() && s.Op != Write; decides != (s.Verified >= 30) {
			t.Errorf("%s: %d answers verified", s.Op, s.Verified)
		}
		asks := s.Op == Check || s.Op == Batch || s.Op == Stream || s.Op == Merged
		if asks != (s.AllowedShare > 0) && s.Op != Mixed {
			t.Errorf("%s: %v of the answers are allowed", s.Op, s.AllowedShare)
		}
		if want := s.Op.Against(); asks && s.Against != want {
			t.Errorf("%s is compared with %q, not %q", s.Op, s.Against, want)
		}
	}
}

func TestMeasure_AMixedLoadIsBrokenDown(t *testing.T) {
	p := population(t, MinTuples, 1)
	load := Load{Conns: serve(t, p, 0, 1), Mix: Mix{{Check, 80}, {ListSubjects, 0}, {Write, 20}}, Callers: 2, Requests: 500, Questions: p.Questions(1, 0)}
	series, err := Measure(t.Context(), load, []Op{Mixed}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for i, part := range series[0].Parts {
		got = append(got, part.Rounds[0].Requests)
		if part.Op != load.Mix[i].Op {
			t.Errorf("part %d is %s", i, part.Op)
		}
	}
	if len(got) != 3 || got[0]+got[2] != 500 || got[1] != 0 || got[2] < 50 || got[2] > 150 {
		t.Errorf("requests of the parts: %v", got)
	}
}

func TestMeasure_WrongAnswersFailLoudly(t *testing.T) {
	s := &odd{check: func(*pb.CheckRequest) (*pb.CheckResponse, error) {
		return &pb.CheckResponse{Decision: pb.Decision_DECISION_ALLOWED}, nil
	}}
	load := s.load(t, Check, 50)
	load.Verify = 50
	_, err := Measure(t.Context(), load, []Op{Check}, 1)
	var wrong *WrongAnswerError
	if !errors.As(err, &wrong) || wrong.Verified != 50 || len(wrong.Wrong) < 10 {
		t.Errorf("a server that allows everything: %v", err)
	}
}

func TestLoad_EndsWithTheErrorOfACall(t *testing.T) {
	p := population(t, MinTuples, 1)
	conns := serve(t, p, 0, 1)
	for _, op := range []Op{Check, Batch, Stream, ListObjects, ListSubjects, Write, Mixed} {
		load := Load{Conns: conns, Op: op, Callers: 4, Requests: 100, Questions: p.Questions(1, 0), Tenant: "nobody"}
		if _, err := load.Run(t.Context()); status.Code(err) != codes.NotFound {
			t.Errorf("%s in a tenant that does not exist: %v", op, err)
		}
	}
}

func TestLoad_CountsWhatTheServerHasNoRoomFor(t *testing.T) {
	n := 0
	s := &odd{check: func(*pb.CheckRequest) (*pb.CheckResponse, error) {
		if n++; n%2 == 0 {
			return nil, status.Error(codes.ResourceExhausted, "no room")
		}
		return &pb.CheckResponse{}, nil
	}}
	load := s.load(t, Echo, 10)
	r, err := load.Run(t.Context())
	if err != nil || r.Requests != 5 || r.Refused != 5 {
		t.Errorf("%d answered, %d refused, %v", r.Requests, r.Refused, err)
	}
}

// A server that stands still for a while delays all requests that are due
// meanwhile, not only the one that it is busy with.
func TestLoad_AnOpenLoopChargesForStandingStill(t *testing.T) {
	const still = 300 * time.Millisecond
	var once sync.Once
	s := &odd{check: func(*pb.CheckRequest) (*pb.CheckResponse, error) {
		once.Do(func() { <-time.After(still) })
		return &pb.CheckResponse{}, nil
	}}
	load := s.load(t, Echo, 300)
	load.Rate = 500 // the first half comes while the server stands still
	r, err := load.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 300 || r.P90 < still.Microseconds()/2 || r.Max < still.Microseconds()*9/10 {
		t.Errorf("%+v", r)
	}
	closed := s.load(t, Echo, 300)
	once = sync.Once{}
	if c, err := closed.Run(t.Context()); err != nil || c.P90 > still.Microseconds()/20 {
		t.Errorf("the closed loop has a 90th percentile of %d µs, %v", c.P90, err)
	}
}

func TestLoad_AnOpenLoopSaysWhenItFallsBehind(t *testing.T) {
	s := &odd{check: func(*pb.CheckRequest) (*pb.CheckResponse, error) {
		<-time.After(5 * time.Millisecond)
		return &pb.CheckResponse{}, nil
	}}
	load := s.load(t, Echo, 0)
	load.Rate, load.Duration = 2000, 200*time.Millisecond
	r, err := load.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Behind || r.Unsent < 300 || r.Unsent+r.Requests != 400 {
		t.Errorf("of 400 requests %d were answered and %d not sent, behind: %v", r.Requests, r.Unsent, r.Behind)
	}
	load.Rate, load.Requests, load.Duration = 50, 10, 0 // no end that could come too early
	if r, err = load.Run(t.Context()); err != nil || r.Requests != 10 || r.Unsent != 0 {
		t.Errorf("at a rate that can be reached: %+v, %v", r, err)
	}
}

// How late a request is depends on the machine; what that means does not.
func TestPace_IsBehindByAHundredthOfTheRun(t *testing.T) {
	p := pace{load: Load{Rate: 50, Requests: 10}} // 200 ms
	for lag, want := range map[time.Duration]bool{0: false, 2 * time.Millisecond: false, 2*time.Millisecond + 1: true} {
		if p.lag.Store(int64(lag)); p.behind(0) != want {
			t.Errorf("the last request came %v late: behind is %v", lag, !want)
		}
	}
	if p.lag.Store(0); !p.behind(1) {
		t.Error("a request was not sent, and the run is not behind")
	}
}

func TestLoad_NoticesAStreamThatLosesRequests(t *testing.T) {
	type stream = grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]
	for name, behave := range map[string]func(stream) error{
		"unanswered": func(s stream) error {
			for {
				if _, err := s.Recv(); err != nil {
					return nil
				}
			}
		},
		"the stream": func(s stream) error { return nil },
		"not in flight": func(s stream) error {
			for {
				r, err := s.Recv()
				if errors.Is(err, io.EOF) {
					return nil
				}
				for range 2 {
					s.Send(&pb.StreamCheckResponse{Id: r.GetId(), Answer: &pb.StreamCheckResponse_Check{Check: &pb.CheckResponse{}}})
				}
			}
		},
	} {
		load := (&odd{streamCheck: behave}).load(t, Stream, 20)
		if _, err := load.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoad_NoticesAListThatRepeatsItself(t *testing.T) {
	s := &odd{listObjects: func(stream grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
		m := &pb.ListObjectsResponse{}
		for _, letter := range []byte{'i', 'f', 's', 'n'} {
			for n := range 2000 {
				m.Objects = append(m.Objects, &pb.ListedObject{Id: id("o0", letter, n/2), Decision: pb.Decision_DECISION_ALLOWED})
			}
		}
		m.Count = int64(len(m.Objects))
		return stream.Send(m)
	}}
	load := s.load(t, ListObjects, 1)
	load.Verify = 100
	if _, err := load.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "2 times") {
		t.Error(err)
	}
}

func TestLoad_WritesLeaveNothingBehind(t *testing.T) {
	p := population(t, MinTuples, 1)
	conns := serve(t, p, 0, 1)
	load := Load{Conns: conns, Op: Write, Callers: 2, Requests: 200, Batch: 3, Questions: p.Questions(1, 0)}
	r, err := load.Run(t.Context())
	if err != nil || r.Items != 600 {
		t.Fatalf("%d tuples, %v", r.Items, err)
	}
	stream, err := pb.NewTupleServiceClient(conns[0]).Read(t.Context(), &pb.ReadRequest{
		Filter:      &pb.TupleFilter{Type: "instance"},
		Consistency: &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}},
	})
	for err == nil {
		var part *pb.ReadResponse
		part, err = stream.Recv()
		for _, tup := range part.GetTuples() {
			if strings.HasPrefix(tup.GetObject().GetId(), "bench-") {
				t.Fatalf("%v is left", tup)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

func TestEcho_CarriesTheBytesOfACheck(t *testing.T) {
	p := population(t, MinTuples, 1)
	conn := serve(t, p, 0, 1)[0]
	questions := p.Questions(1, 0).Source()
	var many []Question
	for range 100 {
		many = append(many, questions.Next())
	}
	check, echo := pb.NewPermissionServiceClient(conn), pb.NewBenchServiceClient(conn)
	near := func(what string, answer, echoed proto.Message, err error) {
		t.Helper()
		if a, e := proto.Size(answer), proto.Size(echoed); err != nil || a < e*8/10 || a > e*12/10 {
			t.Errorf("%s: an answer has %d bytes, an echo %d; %v", what, a, e, err)
		}
	}
	answer, err := check.Check(t.Context(), many[0].Request(""))
	echoed, err2 := echo.Echo(t.Context(), many[0].Request(""))
	near("check", answer, echoed, errors.Join(err, err2))
	answers, err := check.BatchCheck(t.Context(), batchMessage(many, ""))
	echoes, err2 := echo.BatchEcho(t.Context(), batchMessage(many, ""))
	near("batch", answers, echoes, errors.Join(err, err2))
}
