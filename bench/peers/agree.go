package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pemba-authz/pemba/bench"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// disagreement says that systems answer the same question differently, or one of
// them otherwise than the reference.
type disagreement struct {
	asked       int
	differences []string
}

func (d *disagreement) Error() string {
	const shown = 20
	return fmt.Sprintf("%d differences in %d questions:\n  %s", len(d.differences), d.asked,
		strings.Join(d.differences[:min(shown, len(d.differences))], "\n  "))
}

// agree asks all systems the same questions and lists, and compares the answers:
// with each other all of them, with the reference as many as judged says. A
// difference is a *disagreement. It returns the number of questions and lists.
func agree(ctx context.Context, systems []*system, p *bench.Population, questions, lists, judged int) (int, error) {
	source := p.Questions(agreeOrder, 0).Source()
	all := make([]bench.Question, questions)
	for i := range all {
		all[i] = source.Next()
	}
	d := &disagreement{asked: questions + 2*min(lists, questions)}
	if err := d.compareChecks(ctx, systems, all); err != nil {
		return 0, err
	}
	for i := range min(lists, questions) {
		if err := d.compareLists(ctx, systems, all[i]); err != nil {
			return 0, err
		}
	}
	if err := d.judge(ctx, systems, p, all[:min(judged, questions)]); err != nil {
		return 0, err
	}
	if len(d.differences) > 0 {
		return 0, d
	}
	return d.asked, nil
}

// agreeOrder is the seed of the order of the questions for comparing, another one
// than those for measuring.
const agreeOrder = 0x5eed

// askers is how many questions a system is asked at a time.
const askers = 16

// decide asks one system all questions.
func decide(ctx context.Context, s *system, questions []bench.Question) ([]bool, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make([]bool, len(questions))
	clients := s.backend.clients()
	var next atomic.Int64
	var wg sync.WaitGroup
	for k := range askers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(questions)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				var err error
				if answers[i], err = clients[k%len(clients)].Check(questions[i])(ctx); err != nil {
					cancel(fmt.Errorf("%s: %s: %w", s.name, questions[i], err))
				}
			}
		})
	}
	wg.Wait()
	return answers, context.Cause(ctx)
}

func (d *disagreement) compareChecks(ctx context.Context, systems []*system, questions []bench.Question) error {
	var first []bool
	for i, s := range systems {
		answers, err := decide(ctx, s, questions)
		if err != nil {
			return err
		}
		if i == 0 {
			first = answers
			continue
		}
		for k, a := range answers {
			if a != first[k] {
				d.differences = append(d.differences, fmt.Sprintf("%s: %s says %s, %s says %s",
					questions[k], systems[0].name, word(first[k]), s.name, word(a)))
			}
		}
	}
	return nil
}

func word(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "denied"
}

// compareLists compares both lists that a question gives rise to.
func (d *disagreement) compareLists(ctx context.Context, systems []*system, q bench.Question) error {
	for _, op := range []bench.Op{bench.ListObjects, bench.ListSubjects} {
		var first []string
		for i, s := range systems {
			ids, err := list(ctx, s, op, q)
			if err != nil {
				return fmt.Errorf("%s: %s about %s: %w", s.name, op, q, err)
			}
			if i == 0 {
				first = ids
			} else if !slices.Equal(ids, first) {
				d.differences = append(d.differences, fmt.Sprintf("%s about %s: %s has %d results, %s %d: %s",
					op, q, systems[0].name, len(first), s.name, len(ids), onlyOne(first, ids)))
			}
		}
	}
	return nil
}

// list returns a list's ids, sorted.
func list(ctx context.Context, s *system, op bench.Op, q bench.Question) ([]string, error) {
	client := s.backend.clients()[0]
	call := client.ListObjects(q)
	if op == bench.ListSubjects {
		call = client.ListSubjects(q)
	}
	var ids []string
	err := call(ctx, func(id string) { ids = append(ids, id) })
	slices.Sort(ids)
	return ids, err
}

// onlyOne names an id that one of two sorted lists lacks or has more often.
func onlyOne(a, b []string) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b) || i < len(a) && a[i] < b[i]:
			return "the first has " + a[i]
		case i >= len(a) || a[i] > b[i]:
			return "the second has " + b[i]
		}
	}
	return "the same"
}

// judge compares answers of the first system with the reference; the others
// agree with it, or differ already.
func (d *disagreement) judge(ctx context.Context, systems []*system, p *bench.Population, questions []bench.Question) error {
	answers, err := decide(ctx, systems[0], questions)
	if err != nil {
		return err
	}
	answered := make([]bench.Answered, len(answers))
	for i, a := range answers {
		decision := pb.Decision_DECISION_DENIED
		if a {
			decision = pb.Decision_DECISION_ALLOWED
		}
		answered[i] = bench.Answered{Question: questions[i], Op: bench.Check, Decision: decision}
	}
	if err := p.Verify(answered); err != nil {
		d.differences = append(d.differences, fmt.Sprintf("%s and the reference: %v", systems[0].name, err))
	}
	return nil
}
