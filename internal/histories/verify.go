//go:build linux

package histories

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pemba-authz/pemba/tuple"
)

// A verifier compares a history with what the guarantees allow, by the cluster's
// own account of all revisions, which it has checked first.
type verifier struct {
	history *history
	log     []revision            // everything from first on, in order; nil = not known
	first   uint64                // revision before the log
	last    uint64                // of everything
	order   porcupine.CheckResult // what became of the search for an order
	found   []string
}

// most is how many findings of one kind are worth reading.
const most = 5

// report notes what is wrong, of one kind.
func (v *verifier) report(kind string, wrong []string) {
	for i, w := range wrong {
		if i == most {
			v.found = append(v.found, fmt.Sprintf("%s: and %d more", kind, len(wrong)-most))
			return
		}
		v.found = append(v.found, kind+": "+w)
	}
}

// reportFaults reports what was noticed on the way, of each kind by itself, as
// the first word tells them apart: many of one kind are not to hide another.
func (v *verifier) reportFaults() {
	var kinds []string
	of := map[string][]string{}
	for _, f := range v.history.faults {
		kind, _, _ := strings.Cut(f, " ")
		if of[kind] == nil {
			kinds = append(kinds, kind)
		}
		of[kind] = append(of[kind], f)
	}
	for _, kind := range kinds {
		v.report("seen", of[kind])
	}
}

// verify returns everything that is wrong, in words; nil = nothing.
func (v *verifier) verify() []string {
	v.reportFaults()
	v.report("real time", v.backInTime())
	v.report("level", v.wrongLevel())
	v.report("staleness", v.tooStale())
	v.report("two leaders", v.rivals())
	if v.log == nil {
		return v.found
	}
	v.report("order of revisions", v.unordered())
	v.report("unexplained change", v.unexplained())
	v.report("acknowledged write", v.lost())
	v.report("read", v.wrongReads())
	v.report("answer", v.wrongAnswers())
	v.report("watch", v.wrongWatches())
	v.report("linearizability", v.notLinearizable())
	return v.found
}

func (v *verifier) unordered() []string {
	var out []string
	last := v.first
	for _, r := range v.log {
		if r.rev <= last {
			out = append(out, fmt.Sprintf("%d follows %d", r.rev, last))
		}
		last = r.rev
	}
	return out
}

// explains reports whether w may have left u.key as c at rev.
func (w *write) explains(key tuple.Key, c content, rev uint64) bool {
	if w.outcome == refused || w.outcome == done && w.rev != rev {
		return false
	}
	return slices.ContainsFunc(w.updates, func(u update) bool { return u.key == key && u.content == c })
}

// byKey lists the writes by the tuples that they are about.
func (v *verifier) byKey() map[tuple.Key][]*write {
	out := map[tuple.Key][]*write{}
	for _, w := range v.history.writes {
		for _, u := range w.updates {
			out[u.key] = append(out[u.key], w)
		}
	}
	return out
}

// unexplained finds changes that no write can have made: of writes that were
// refused or never made, or that have happened twice.
func (v *verifier) unexplained() []string {
	var out []string
	writes := v.byKey()
	once := map[*write]uint64{} // where a write of unknown fate has been seen
	for _, r := range v.log {
		for key, c := range r.changes {
			var by *write
			for _, w := range writes[key] {
				if w.explains(key, c, r.rev) && (by == nil || w.outcome == done) {
					by = w
				}
			}
			if by == nil {
				out = append(out, fmt.Sprintf("revision %d: %s becomes %v%s", r.rev, key, c, claims(writes[key], key, c)))
				continue
			}
			// Only values are written once; a deletion may be of another write.
			if at, seen := once[by]; seen && at != r.rev && key.Object.Type == "register" && c.present {
				out = append(out, fmt.Sprintf("revision %d: %s becomes %v a second time, after %d", r.rev, key, c, at))
			}
			once[by] = r.rev
		}
	}
	return out
}

// claims tells which writes there are of the same content.
func claims(writes []*write, key tuple.Key, c content) string {
	var b strings.Builder
	for _, w := range writes {
		for _, u := range w.updates {
			if u.key == key && u.content == c {
				fmt.Fprintf(&b, "; client %d's write of it is %v at %d", w.client, w.outcome, w.rev)
			}
		}
	}
	return b.String()
}

// lost finds acknowledged writes that their revision does not show, unless
// another write of the same revision came after.
func (v *verifier) lost() []string {
	var out []string
	writes := v.byKey()
	acknowledged := slices.DeleteFunc(slices.Clone(v.history.writes), func(w *write) bool { return w.outcome != done })
	slices.SortStableFunc(acknowledged, func(a, b *write) int { return cmp.Compare(a.rev, b.rev) })
	state := map[tuple.Key]content{}
	next := 0
	for _, w := range acknowledged {
		if w.rev > v.last {
			out = append(out, fmt.Sprintf("client %d's at revision %d lies behind the end of everything, %d", w.client, w.rev, v.last))
			continue
		}
		for ; next < len(v.log) && v.log[next].rev <= w.rev; next++ {
			maps.Copy(state, v.log[next].changes)
		}
		for _, u := range w.updates {
			now := state[u.key]
			if now == u.content || slices.ContainsFunc(writes[u.key], func(o *write) bool { return o != w && o.explains(u.key, now, w.rev) }) {
				continue
			}
			out = append(out, fmt.Sprintf("client %d's at revision %d: %s should be %v and is %v", w.client, w.rev, u.key, u.content, now))
		}
	}
	return out
}

// timed is something that must come after everything that ended before it.
type timed struct {
	base
	what   string
	writes bool
}

// linear lists what promises to follow real time: writes, and answers at latest.
func (v *verifier) linear() []timed {
	var out []timed
	for _, w := range v.history.writes {
		if w.outcome == done {
			out = append(out, timed{w.base, "write", true})
		}
	}
	for _, r := range v.history.reads {
		if r.level == latest {
			out = append(out, timed{r.base, "read", false})
		}
	}
	for _, a := range v.history.asks {
		if a.level == latest {
			out = append(out, timed{a.base, "check", false})
		}
	}
	return out
}

// backInTime finds answers at latest that are older than what had been
// acknowledged, or answered at latest, when they were asked for; and writes that
// came before it.
func (v *verifier) backInTime() []string {
	var out []string
	all := v.linear()
	byEnd := slices.Clone(all)
	slices.SortFunc(byEnd, func(a, b timed) int { return cmp.Compare(a.ret, b.ret) })
	slices.SortFunc(all, func(a, b timed) int { return cmp.Compare(a.call, b.call) })
	var newest timed
	next := 0
	for _, t := range all {
		for ; next < len(byEnd) && byEnd[next].ret < t.call; next++ {
			if byEnd[next].rev > newest.rev {
				newest = byEnd[next]
			}
		}
		if t.rev < newest.rev || t.writes && newest.writes && t.rev == newest.rev {
			out = append(out, fmt.Sprintf("a %s on %s, %v after the start, is at revision %d, but a %s on %s %v earlier was at %d",
				t.what, t.node, time.Duration(t.call), t.rev, newest.what, newest.node, time.Duration(t.call-newest.ret), newest.rev))
		}
	}
	return out
}

// wrongLevel finds answers that do not keep to their token.
func (v *verifier) wrongLevel() []string {
	var out []string
	look := func(what string, l level, at uint64, b base) {
		if l == exactly && b.rev != at || l == atLeast && b.rev < at {
			out = append(out, fmt.Sprintf("%s on %s %v %d is at revision %d", what, b.node, l, at, b.rev))
		}
	}
	for _, r := range v.history.reads {
		look("read", r.level, r.at, r.base)
	}
	for _, a := range v.history.asks {
		look("check", a.level, a.at, a.base)
	}
	return out
}

// maxStale is how old an answer at any may be, with some room for a process that
// waits for a processor between looking at its clock and at its data.
const maxStale = 10*time.Second + 500*time.Millisecond

// tooStale finds answers at any that lack writes acknowledged long before.
func (v *verifier) tooStale() []string {
	var out []string
	writes := slices.DeleteFunc(v.linear(), func(t timed) bool { return !t.writes })
	slices.SortFunc(writes, func(a, b timed) int { return cmp.Compare(a.ret, b.ret) })
	for i := 1; i < len(writes); i++ {
		writes[i].rev = max(writes[i].rev, writes[i-1].rev)
	}
	look := func(what string, b base) {
		n, _ := slices.BinarySearchFunc(writes, b.call-moment(maxStale), func(t timed, m moment) int { return cmp.Compare(t.ret, m) })
		if n > 0 && b.rev < writes[n-1].rev {
			out = append(out, fmt.Sprintf("a %s on %s, %v after the start, is at revision %d; %d was acknowledged more than %v before",
				what, b.node, time.Duration(b.call), b.rev, writes[n-1].rev, maxStale))
		}
	}
	for _, r := range v.history.reads {
		if r.level == anyLevel {
			look("read", r.base)
		}
	}
	for _, a := range v.history.asks {
		if a.level == anyLevel {
			look("check", a.base)
		}
	}
	return out
}

// wrongReads compares all reads with the registers at their revisions.
func (v *verifier) wrongReads() []string {
	var out []string
	reads := slices.Clone(v.history.reads)
	slices.SortFunc(reads, func(a, b *read) int { return cmp.Compare(a.rev, b.rev) })
	state := map[string]string{}
	next := 0
	for _, r := range reads {
		for ; next < len(v.log) && v.log[next].rev <= r.rev; next++ {
			applyRegisters(state, v.log[next])
		}
		// Revisions may be without changes, also behind the last write.
		if !maps.Equal(state, r.values) {
			out = append(out, fmt.Sprintf("on %s %v at revision %d has %v, want %v", r.node, r.level, r.rev, r.values, state))
		}
	}
	return out
}

func applyRegisters(state map[string]string, r revision) {
	for key, c := range r.changes {
		switch {
		case key.Object.Type != "register":
		case !c.present:
			delete(state, key.Object.ID)
		default:
			state[key.Object.ID] = valueOf(c.of(key))
		}
	}
}

// wrongWatches compares what watchers were told with everything that happened.
func (v *verifier) wrongWatches() []string {
	var out []string
	for _, f := range v.history.followed {
		from, _ := slices.BinarySearchFunc(v.log, f.first+1, func(r revision, rev uint64) int { return cmp.Compare(r.rev, rev) })
		if why := differs(v.log[from:], f.revisions); why != "" {
			out = append(out, fmt.Sprintf("%s from %d on: %s", f.name, f.first, why))
		}
	}
	return out
}

// differs says where got is not a beginning of want.
func differs(want, got []revision) string {
	for i, r := range got {
		switch {
		case i >= len(want):
			return fmt.Sprintf("tells of revision %d behind the end", r.rev)
		case r.rev != want[i].rev:
			return fmt.Sprintf("tells of revision %d (%v) instead of %d (%v)", r.rev, r.changes, want[i].rev, want[i].changes)
		case !maps.Equal(r.changes, want[i].changes):
			return fmt.Sprintf("tells at revision %d of %v instead of %v", r.rev, r.changes, want[i].changes)
		}
	}
	return ""
}

// rivals finds terms with more than one leader. A node that says twice in a row
// that it leads in a term has done so; once may be a mix of two moments.
func (v *verifier) rivals() []string {
	var out []string
	sights := slices.Clone(v.history.sights)
	slices.SortStableFunc(sights, func(a, b sight) int { return cmp.Compare(a.at, b.at) })
	led := map[uint64]string{}
	before := map[string]sight{}
	for _, s := range sights {
		last := before[s.node]
		before[s.node] = s
		if !s.leads || !last.leads || last.term != s.term {
			continue
		}
		if other, taken := led[s.term]; taken && other != s.node {
			out = append(out, fmt.Sprintf("%s and %s in term %d", other, s.node, s.term))
		}
		led[s.term] = s.node
	}
	return out
}
