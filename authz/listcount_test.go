package authz

import (
	"errors"
	"testing"

	"github.com/pemba-authz/pemba/graph"
)

func TestListCount_TellsWhatIsNotSimplyAllowed(t *testing.T) {
	var got ListCount
	for _, r := range []Listed{
		{Decision: graph.Allowed}, {Decision: graph.Conditional}, {Decision: graph.Denied},
		{Decision: graph.Denied, Err: errors.New("too deep")}, {Decision: graph.Allowed},
	} {
		got.Add(&r)
	}
	if want := (ListCount{Results: 5, Conditional: 1, Excepted: 1, Undecided: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
