//go:build linux

package histories

import (
	"fmt"
	"math"
	"sync"
)

// truth is what is known of a fact at a revision.
type truth uint8

const (
	no truth = iota
	yes
	maybe // a change of unknown revision may have been made by then
)

// turn is one change of a fact. It took effect behind the revision after, and at
// upTo at the latest.
type turn struct {
	after, upTo uint64
	value       bool
}

// fact is a binding, a membership or what a custom role is made of, which one
// client changes.
type fact struct {
	name string

	mu    sync.Mutex
	turns []turn // guarded by mu
}

// begin notes that a change is about to be tried; end says that it has been made.
func (f *fact) begin(after uint64, value bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turns = append(f.turns, turn{after, math.MaxUint64, value})
}

func (f *fact) end(after, upTo uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &f.turns[len(f.turns)-1]
	t.after, t.upTo = after, upTo
}

// at returns what is known of the fact at a revision.
func (f *fact) at(rev uint64) truth {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := false
	for _, t := range f.turns {
		switch {
		case rev >= t.upTo:
			now = t.value
		case rev > t.after && t.value != now:
			return maybe
		}
	}
	if now {
		return yes
	}
	return no
}

// both and either are and, or.
func both(a, b truth) truth {
	switch {
	case a == no || b == no:
		return no
	case a == yes && b == yes:
		return yes
	}
	return maybe
}

func either(a, b truth) truth {
	switch {
	case a == yes || b == yes:
		return yes
	case a == no && b == no:
		return no
	}
	return maybe
}

// iamWorld is what the clients of an IAM history know about: accounts that have
// roles on folders and the cloud, by themselves or through groups, and a custom role.
type iamWorld struct {
	owner    string // IAM token
	cloud    string
	folders  []string
	accounts []string
	groups   []string
	custom   string // id of a custom role, which the last account has on the first folder

	facts map[string]*fact // by name
}

// iamRoles are the roles that are granted, each including those before it.
var iamRoles = []string{"viewer", "editor"}

// permissions that the custom role is made of, the one or the other.
var customOf = map[bool]string{true: "compute.instances.get", false: "compute.disks.get"}

func bindingFact(role, subject, resource string) string {
	return fmt.Sprintf("%s of %s on %s", role, subject, resource)
}

func memberFact(account, group string) string { return fmt.Sprintf("%s in %s", account, group) }

const customFact = "the custom role"

// has is the oracle: whether an account has a role on a folder at a revision.
func (w *iamWorld) has(account, role, folder string, rev uint64) truth {
	out, included := no, false
	for _, r := range iamRoles {
		if included = included || r == role; !included {
			continue
		}
		for _, on := range []string{folder, w.cloud} {
			out = either(out, w.fact(bindingFact(r, account, on), rev))
			for _, g := range w.groups {
				out = either(out, both(w.fact(memberFact(account, g), rev), w.fact(bindingFact(r, g, on), rev)))
			}
		}
	}
	return out
}

// permits is the oracle for what the custom role is made of.
func (w *iamWorld) permits(permission string, rev uint64) truth {
	first := w.fact(customFact, rev)
	if permission == customOf[false] && first != maybe {
		first = yes - first
	}
	return first
}

func (w *iamWorld) fact(name string, rev uint64) truth {
	if f := w.facts[name]; f != nil {
		return f.at(rev)
	}
	return no
}
