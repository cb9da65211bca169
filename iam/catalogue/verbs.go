package catalogue

import (
	"slices"
	"sort"
	"strings"
)

// A tier says how much trust an action needs. A tier contains those before it;
// apart is contained in none.
type tier uint8

const (
	audit tier = iota // configuration and metadata
	read              // data
	edit              // create, change, delete, use
	admin             // who may do what
	apart             // only for roles that name the permission
)

var tiers = map[string]tier{"audit": audit, "read": read, "edit": edit, "admin": admin, "apart": apart}

// verbs is the table of all permissions. Numbers are places in names.
type verbs struct {
	names    []string // sorted, so all of a service, and all of a resource, stand together
	tiers    []tier
	index    map[string]int
	byAction map[string][]int
}

func newVerbs(rows []row) (*verbs, error) {
	tierOf := map[string]tier{}
	for _, r := range rows {
		t, known := tiers[r.fields[2]]
		if !known {
			return nil, r.errorf("%.100q is no tier; the tiers are audit, read, edit, admin, apart", r.fields[2])
		}
		for _, action := range r.list(3) {
			p := r.fields[0] + "." + r.fields[1] + "." + action
			switch _, twice := tierOf[p]; {
			case !validPermission(p):
				return nil, r.errorf("%.100q is no permission; write SERVICE.RESOURCES.ACTION, at most %d bytes, words of letters, digits and '-'", p, MaxName)
			case twice:
				return nil, r.errorf("the permission %s stands here again", p)
			case len(tierOf) == maxPermissions:
				return nil, r.errorf("more than %d permissions", maxPermissions)
			}
			tierOf[p] = t
		}
	}
	v := &verbs{index: make(map[string]int, len(tierOf)), byAction: map[string][]int{}}
	for p := range tierOf {
		v.names = append(v.names, p)
	}
	slices.Sort(v.names)
	for i, p := range v.names {
		v.index[p] = i
		v.tiers = append(v.tiers, tierOf[p])
		action := p[strings.LastIndexByte(p, '.')+1:]
		v.byAction[action] = append(v.byAction[action], i)
	}
	return v, nil
}

// under returns the permissions from, to-1: those of "SERVICE" or
// "SERVICE.RESOURCES", or all for "".
func (v *verbs) under(scope string) (from, to int) {
	if scope == "" {
		return 0, len(v.names)
	}
	from = sort.SearchStrings(v.names, scope+".")
	to = sort.SearchStrings(v.names, scope+"/") // the byte after '.'
	return from, to
}

// upTo calls f for each permission under scope up to tier t.
func (v *verbs) upTo(scope string, t tier, f func(int)) (found bool) {
	from, to := v.under(scope)
	for i := from; i < to; i++ {
		if v.tiers[i] <= t && v.tiers[i] != apart {
			f(i)
			found = true
		}
	}
	return found
}

// selected calls f for each permission that s names, and reports whether there
// is one. What is apart is named in full only, unless it is to be taken away.
//
//	@edit  compute@edit  compute.disks@edit
//	compute.disks.use  compute.*.use  *.*.use  compute.disks.*
func (v *verbs) selected(s string, takeAway bool, f func(int)) (found bool) {
	if scope, level, isTier := strings.Cut(s, "@"); isTier {
		t, known := tiers[level]
		return known && t != apart && v.upTo(scope, t, f)
	}
	if !strings.Contains(s, "*") {
		i, found := v.index[s]
		if found {
			f(i)
		}
		return found
	}
	words := strings.Split(s, ".")
	if len(words) != 3 || words[0] == "*" && words[1] != "*" {
		return false
	}
	scope := ""
	for _, w := range words[:2] {
		if w == "*" {
			break
		}
		scope = strings.TrimPrefix(scope+"."+w, ".")
	}
	from, to := v.under(scope)
	take := func(i int) {
		if takeAway || v.tiers[i] != apart {
			f(i)
			found = true
		}
	}
	if words[2] == "*" {
		for i := from; i < to; i++ {
			take(i)
		}
		return found
	}
	for _, i := range v.byAction[words[2]] {
		if from <= i && i < to {
			take(i)
		}
	}
	return found
}
