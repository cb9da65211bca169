//go:build linux

package histories

import (
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// registerInput is an operation on one register.
type registerInput struct {
	register string
	write    bool
	create   bool
	value    string // "" = absent; what a write leaves
}

// registerOutput is what came of it.
type registerOutput struct {
	value  string // of a read
	exists bool   // a create found something
}

// register is the model of one register: its state is its value.
var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, o := range all {
			key := o.Input.(registerInput).register
			by[key] = append(by[key], o)
		}
		var out [][]porcupine.Operation
		for _, part := range by {
			out = append(out, part)
		}
		return out
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(registerInput), output.(registerOutput)
		switch {
		case !in.write:
			return out.value == state, state
		case in.create && out.exists:
			return state != "", state
		case in.create && state != "":
			return false, state
		}
		return true, in.value
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// checkTime bounds the search for an order; a history that takes longer is not
// called wrong, since all of its parts are also compared with the revisions.
const checkTime = 20 * time.Second

// notLinearizable has porcupine look for an order of all writes and reads at
// latest of each register, knowing nothing of revisions.
func (v *verifier) notLinearizable() []string {
	var all []porcupine.Operation
	seen := v.firstSeen()
	for _, w := range v.history.writes {
		for _, o := range v.registerWrites(w) {
			// A value that somebody has read was written by then, which narrows
			// the search: a write of unknown fate would else be one for ever.
			if at, ok := seen[o.Input.(registerInput).value]; ok {
				o.Return = min(o.Return, max(int64(at), o.Call))
			}
			all = append(all, o)
		}
	}
	for _, r := range v.history.reads {
		if r.level != latest {
			continue
		}
		for i := range registers {
			id := fmt.Sprint("r", i)
			all = append(all, porcupine.Operation{
				ClientId: r.client, Call: int64(r.call), Return: int64(r.ret),
				Input: registerInput{register: id}, Output: registerOutput{value: r.values[id]},
			})
		}
	}
	v.order = porcupine.CheckOperationsTimeout(register, all, checkTime)
	if v.order == porcupine.Illegal {
		return []string{fmt.Sprintf("there is no order of the %d operations on registers", len(all))}
	}
	return nil
}

// firstSeen says of each value when the first read that has it had ended. Every
// value is written once.
func (v *verifier) firstSeen() map[string]moment {
	seen := map[string]moment{}
	for _, r := range v.history.reads {
		for _, value := range r.values {
			if at, ok := seen[value]; value != "" && (!ok || r.ret < at) {
				seen[value] = r.ret
			}
		}
	}
	return seen
}

// registerWrites is what w does to registers. A write of unknown fate that no
// revision shows is left out: it may happen after everything.
func (v *verifier) registerWrites(w *write) []porcupine.Operation {
	var out []porcupine.Operation
	if w.outcome == refused && !w.exists {
		return nil
	}
	for _, u := range w.updates {
		if u.key.Object.Type != "register" {
			continue
		}
		in := registerInput{register: u.key.Object.ID, write: true, create: u.create}
		if u.content.present {
			in.value = valueOf(u.content.of(u.key))
		}
		if w.outcome == unknown && u.content.present && !v.shows(u) {
			continue
		}
		out = append(out, porcupine.Operation{ClientId: w.client, Call: int64(w.call), Return: int64(w.ret),
			Input: in, Output: registerOutput{exists: w.exists}})
	}
	return out
}

// shows reports whether some revision has what u writes.
func (v *verifier) shows(u update) bool {
	return slices.ContainsFunc(v.log, func(r revision) bool { return r.changes[u.key] == u.content })
}
