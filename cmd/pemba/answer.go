package main

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// answer is what a decision and the result of a batch have in common.
type answer interface {
	GetDecision() pb.Decision
	GetMissingContext() []string
	GetWork() *pb.Work
}

// answerJSON is a decision as commands print it with --json.
type answerJSON struct {
	Decision string   `json:"decision"`
	Missing  []string `json:"missing_context,omitempty"`
	Steps    int32    `json:"steps"`
	Reads    int32    `json:"reads"`
	Token    string   `json:"token,omitempty"`
	Time     string   `json:"decision_time,omitempty"`
}

type batchAnswer struct {
	Object     string `json:"object"`
	Permission string `json:"permission"`
	Subject    string `json:"subject"`
	answerJSON
}

func jsonAnswer(a answer) answerJSON {
	j := answerJSON{
		Decision: decisionName(a.GetDecision()), Missing: a.GetMissingContext(),
		Steps: a.GetWork().GetSteps(), Reads: a.GetWork().GetReads(),
	}
	if r, ok := a.(interface {
		GetToken() string
		GetDecisionTime() *timestamppb.Timestamp
	}); ok {
		j.Token = r.GetToken()
		j.Time = r.GetDecisionTime().AsTime().Format(time.RFC3339Nano)
	}
	return j
}

func decisionName(d pb.Decision) string {
	return strings.ToLower(strings.TrimPrefix(d.String(), "DECISION_"))
}

// decisionText is a decision for people.
func decisionText(d pb.Decision, missing []string) string {
	if d == pb.Decision_DECISION_CONDITIONAL && len(missing) > 0 {
		return decisionName(d) + ": missing context " + strings.Join(missing, ", ")
	}
	return decisionName(d)
}

func itemKey(i *pb.BatchCheckItem) tuple.Key {
	return tupleFrom(&pb.Tuple{Object: i.GetObject(), Relation: i.GetPermission(), Subject: i.GetSubject()}).Key()
}

// itemError is an error of one question of a batch as one line.
func itemError(e *pb.Error) string {
	text := e.GetMessage()
	if f := e.GetFix(); f != "" && !strings.Contains(text, f) {
		text += "; " + f
	}
	return oneLine(text)
}
