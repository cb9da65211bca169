package native

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func TestConsistency_EachLevelSeesTheWriteItPromises(t *testing.T) {
	f := openWith(t)
	const question, fact = "doc:readme#view@user:ann", "doc:readme#viewer@user:ann"
	written := f.touch(t, fact)
	if got := f.ask(t, question, atLeast(written)); got.GetDecision() != allowed {
		t.Errorf("at least the write: %v", got)
	}
	removed := f.remove(t, fact)
	for name, c := range map[string]struct {
		at   *pembav1.Consistency
		want pembav1.Decision
	}{
		"at least the removal": {atLeast(removed), denied},
		"at least the write":   {atLeast(written), denied}, // this node is further
		"exactly the write":    {exactly(written), allowed},
		"exactly the removal":  {exactly(removed), denied},
		"latest":               {latest(), denied},
		"any":                  {nil, denied},
	} {
		if got := f.ask(t, question, c.at); got.GetDecision() != c.want {
			t.Errorf("%s: got %v, want %v", name, got.GetDecision(), c.want)
		}
	}
}

func TestConsistency_TokenOfAnAnswerRepeatsIt(t *testing.T) {
	f := openWith(t, "doc:readme#viewer@user:ann")
	const question = "doc:readme#view@user:ann"
	first := f.ask(t, question, latest())
	f.remove(t, "doc:readme#viewer@user:ann")
	again := f.ask(t, question, exactly(first.GetToken()))
	if again.GetDecision() != first.GetDecision() || again.GetToken() != first.GetToken() {
		t.Errorf("got %v, then %v", first, again)
	}
}

func TestConsistency_ReadAndSchemaFollowTheToken(t *testing.T) {
	f := openWith(t)
	written := f.touch(t, "doc:readme#viewer@user:ann")
	f.remove(t, "doc:readme#viewer@user:ann")
	tuples, token, err := f.read(t, "doc", exactly(written))
	if err != nil || token != written {
		t.Fatalf("got token %q, %v", token, err)
	}
	if diff := cmp.Diff([]string{"doc:readme#viewer@user:ann"}, tuples); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	longer := testSchema + "\ndefinition folder {}\n"
	changed, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: longer})
	if err != nil {
		t.Fatal(err)
	}
	for want, at := range map[string]*pembav1.Consistency{testSchema: exactly(written), longer: atLeast(changed.GetToken())} {
		got, err := f.schemas.ReadSchema(deadline(t), &pembav1.ReadSchemaRequest{Consistency: at})
		if err != nil || got.GetSchema() != want {
			t.Errorf("at %v: got %v, %v", at, got, err)
		}
	}
}

func TestConsistency_TokensStayWithinTheirLimit(t *testing.T) {
	f := openWith(t)
	for range 50 {
		if token := f.touch(t, "doc:readme#viewer@user:ann"); len(token) > maxTokenBytes || strings.ContainsAny(token, " #@\n") {
			t.Fatalf("token %q", token)
		}
	}
}
