package native

import (
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// traceCheck ends the span of a question with what the walk cost. Names and ids
// stay out of traces.
func traceCheck(span telemetry.Span, a authz.Answer, p authz.Viewpoint, err error) {
	defer span.End()
	if err != nil {
		span.Failed(domainError(err).Reason)
		return
	}
	span.Text("pemba.decision", decisionText(a.Decision))
	span.Int("pemba.steps", int64(a.Steps))
	span.Int("pemba.reads", int64(a.Reads))
	span.Int("pemba.revision", int64(p.Revision()))
}

func traceBatch(span telemetry.Span, results []authz.BatchResult, p authz.Viewpoint, err error) {
	defer span.End()
	if err != nil {
		span.Failed(domainError(err).Reason)
		return
	}
	steps, reads, failed := 0, 0, 0
	for i := range results {
		steps, reads = steps+results[i].Steps, reads+results[i].Reads
		if results[i].Err != nil {
			failed++
		}
	}
	span.Int("pemba.questions", int64(len(results)))
	span.Int("pemba.failed", int64(failed))
	span.Int("pemba.steps", int64(steps))
	span.Int("pemba.reads", int64(reads))
	span.Int("pemba.revision", int64(p.Revision()))
}

func decisionText(d authz.Decision) string {
	switch d {
	case authz.Allowed:
		return "allowed"
	case authz.Conditional:
		return "conditional"
	}
	return "denied"
}

// endItem says how one message of a stream of checks ended.
func endItem(call telemetry.Call, span telemetry.Span, err *pembav1.Error) {
	if span.Traced() {
		span.Int("rpc.grpc.status_code", int64(err.GetCode()))
		if err != nil {
			span.Failed(err.GetReason())
		}
		span.End()
	}
	call.End(uint32(err.GetCode()))
}

func traceFrame(span telemetry.Span, done []frameResult) {
	steps, reads, failed := 0, 0, 0
	for i := range done {
		steps, reads = steps+int(done[i].steps), reads+int(done[i].reads)
		if done[i].err != nil {
			failed++
		}
	}
	span.Int("pemba.questions", int64(len(done)))
	span.Int("pemba.failed", int64(failed))
	span.Int("pemba.steps", int64(steps))
	span.Int("pemba.reads", int64(reads))
}
