package native

import (
	"testing"

	"google.golang.org/grpc/codes"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestSchema_ReadsBackAsWritten(t *testing.T) {
	f := openWith(t)
	got, err := f.schemas.ReadSchema(deadline(t), &pembav1.ReadSchemaRequest{Consistency: latest()})
	if err != nil || got.GetSchema() != testSchema || got.GetToken() == "" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSchema_UnchangedSinceGuardsTheReplacement(t *testing.T) {
	f := openWith(t)
	read, err := f.schemas.ReadSchema(deadline(t), &pembav1.ReadSchemaRequest{Consistency: latest()})
	if err != nil {
		t.Fatal(err)
	}
	replace := &pembav1.WriteSchemaRequest{Schema: testSchema + "\ndefinition folder {}\n", IfUnchangedSince: read.GetToken()}
	if _, err := f.schemas.WriteSchema(deadline(t), replace); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	replace.Schema += "\ndefinition other {}\n"
	if _, err := f.schemas.WriteSchema(deadline(t), replace); failureOf(err).Code != codes.FailedPrecondition {
		t.Errorf("changed meanwhile: %v", err)
	}
}

func TestSchema_NegativeRecursionIsAWarning(t *testing.T) {
	f := open(t)
	reply, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: `definition user {}
definition folder {
  relation parent: folder
  relation viewer: user
  permission view = viewer - parent->view
}
`})
	if err != nil || len(reply.GetWarnings()) == 0 || reply.GetWarnings()[0].GetLine() == 0 {
		t.Errorf("got %v, %v", reply, err)
	}
}

func TestStatus_DescribesTheNode(t *testing.T) {
	f := openWith(t)
	got, err := f.cluster.Status(deadline(t), &pembav1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetState() != pembav1.NodeState_NODE_STATE_LEADER || !got.GetReady() || got.GetLeaderId() != got.GetNodeId() ||
		got.GetClusterId() == "" || got.GetAppliedRevision() == 0 || got.GetVersion() != "test" || len(got.GetMembers()) != 1 {
		t.Errorf("got %v", got)
	}
}
