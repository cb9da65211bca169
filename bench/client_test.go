package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// walker is a Client that answers in this process.
type walker struct {
	*graph.Graph
	view  store.View
	wrong bool // allows everything

	mu     sync.Mutex
	stored map[tuple.Tuple]bool // by writers
}

func (w *walker) Check(q Question) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		a, err := w.Graph.Check(ctx, w.view, &graph.Question{
			Object: q.Object, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano()})
		return w.wrong || a.Decision == graph.Allowed, err
	}
}

func (w *walker) Batch(questions []Question) func(context.Context) ([]bool, error) {
	return func(ctx context.Context) (all []bool, err error) {
		for _, q := range questions {
			a, err := w.Check(q)(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
		return all, nil
	}
}

func (w *walker) ListObjects(q Question) func(context.Context, func(string)) error {
	return func(ctx context.Context, yield func(string)) error {
		_, err := w.Graph.ListObjects(ctx, w.view, &graph.ObjectsQuestion{
			Type: q.Object.Type, Permission: q.Permission, Subjects: []tuple.Subject{q.Subject}, Now: time.Now().UnixNano(),
		}, func(l graph.Listed) bool { yield(l.ID); return true })
		return err
	}
}

func (w *walker) ListSubjects(Question) func(context.Context, func(string)) error {
	return func(context.Context, func(string)) error { return errors.New("not listed") }
}

func (w *walker) Write(touch, remove []tuple.Tuple) func(context.Context) error {
	return func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, t := range touch {
			w.stored[t] = true
		}
		for _, t := range remove {
			delete(w.stored, t)
		}
		return nil
	}
}

func walkerLoad(t testing.TB) (Load, *walker) {
	p := planned(t, Plan{Workload: Docs, Tuples: 3000})
	source, _ := p.Schema()
	g, view := memory(t, source, p.Tuples())
	w := &walker{Graph: g, view: view, stored: make(map[tuple.Tuple]bool)}
	return Load{Clients: []Client{w}, Callers: 2, Requests: 100, Batch: 4, Questions: p.Questions(1, 0), Verify: 50}, w
}

func TestClient_IsMeasuredAndVerified(t *testing.T) {
	load, w := walkerLoad(t)
	series, err := Measure(t.Context(), load, []Op{Check, Batch, ListObjects, Write}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range series {
		if s.Rounds[0].Requests != 100 || s.Op != Write && s.Verified < 25 || s.Quantile(0.99) < s.Quantile(0.5) {
			t.Errorf("%s: %+v", s.Op, s)
		}
	}
	if len(w.stored) != 0 {
		t.Errorf("the writers leave %d tuples", len(w.stored))
	}
}

func TestClient_WrongAnswersFailLoudly(t *testing.T) {
	load, w := walkerLoad(t)
	w.wrong = true
	var wrong *WrongAnswerError
	if _, err := Measure(t.Context(), load, []Op{Check}, 1); !errors.As(err, &wrong) {
		t.Errorf("a client that allows everything: %v", err)
	}
}

func TestClient_DoesWhatItsAPICan(t *testing.T) {
	load, _ := walkerLoad(t)
	for _, op := range []Op{Echo, Stream, StreamEcho} {
		load.Op = op
		if _, err := load.Run(t.Context()); err == nil || !strings.Contains(err.Error(), string(op)) || slices.Contains(clientOps, op) {
			t.Errorf("%s by a client: %v", op, err)
		}
	}
}
