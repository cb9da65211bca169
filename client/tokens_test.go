package client

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pemba-authz/pemba/internal/testserver"
)

func TestTokens_TheNewestWriteCountsHoweverWritesFinish(t *testing.T) {
	c := open(t, Config{})
	var inOrder []string
	for i := range 300 { // past lengths of numbers
		inOrder = append(inOrder, touch(t, c, fmt.Sprintf("doc:%d#viewer@user:ann", i)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var memory tokens
		newest := 0
		for _, i := range random.Perm(len(inOrder))[:50] {
			memory.note("t", inOrder[i])
			newest = max(newest, i)
		}
		if got := memory.newest("t"); got != inOrder[newest] {
			t.Fatalf("got %s, want %s", got, inOrder[newest])
		}
	}
}

func TestTokens_OfAnUnknownFormTheLastCounts(t *testing.T) {
	var memory tokens
	for _, token := range []string{"x", "pt2_abc", "pt1_%%%", "pt1_AAAA", "y"} {
		memory.note("t", token)
		if memory.newest("t") != token {
			t.Errorf("%s is not the newest", token)
		}
	}
}

func TestClient_ReadsItsOwnWrites(t *testing.T) {
	c := open(t, Config{ReadYourWrites: true})
	for i := range 50 {
		text := fmt.Sprintf("doc:%d#view@user:ann", i)
		token := touch(t, c, fmt.Sprintf("doc:%d#viewer@user:ann", i))
		a, err := c.Check(t.Context(), ask(t, text))
		if err != nil || !a.Allowed() || a.Token != token {
			t.Fatalf("%s: %+v, %v", text, a, err)
		}
	}
	if at := c.consistency("other", Consistency{}); at != (Consistency{}) {
		t.Errorf("another tenant is read at %v", at)
	}
	if at := c.consistency("", Any()); at != Any() {
		t.Errorf("any is read at %v", at)
	}
}

func TestClient_ForgetsItsWritesWithTheCluster(t *testing.T) {
	c := open(t, Config{ReadYourWrites: true})
	touch(t, c, "doc:a#viewer@user:ann")
	other := testserver.Open(t)
	other.WriteSchema(schema)
	moved := dial(t, Config{Addrs: []string{other.Serve(testserver.Config{}).Addr}, ReadYourWrites: true})
	for i := range 2 {
		moved.tokens.note("", c.tokens.newest(""))
		if i == 0 {
			if a, err := moved.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err != nil || a.Decision != Denied {
				t.Errorf("check: %+v, %v", a, err)
			}
		} else {
			for _, err := range moved.ReadTuples(t.Context(), ReadRequest{Filter: filter(t, "doc")}) {
				t.Errorf("read: %v", err)
			}
		}
		if moved.tokens.newest("") != "" {
			t.Error("the token is still remembered")
		}
	}
}
