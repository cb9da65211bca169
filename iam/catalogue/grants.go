package catalogue

import "strings"

// grants fills in what each role grants itself: by its row, else by its name.
func (p *parser) grants() error {
	roles := p.cat.roles
	p.own, p.not = make([]bits, len(roles)), make([]bits, len(roles))
	selectors := 0
	for _, r := range p.rows["grants"] {
		i, known := p.index[r.fields[0]]
		switch {
		case !known:
			return r.errorf("%.100q is no role of [roles]", r.fields[0])
		case p.own[i] != nil:
			return r.errorf("the role %s stands here again; write its grants in one row", r.fields[0])
		}
		words := r.list(1)
		if selectors += len(words); selectors > maxSelectors {
			return r.errorf("more than %d words of grants; use tiers and \"*\"", maxSelectors)
		}
		roles[i].Known = true
		if err := p.grant(i, words, r); err != nil {
			return err
		}
	}
	for i, role := range roles {
		if p.own[i] == nil {
			p.own[i] = newBits(len(p.verb.names))
			p.byName(i, role.ID)
		}
	}
	return nil
}

func (p *parser) grant(i int, words []string, r row) error {
	p.own[i] = newBits(len(p.verb.names))
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			continue
		}
		if !p.verb.selected(w, false, p.own[i].add) {
			return r.errorf("%.100q selects no permission; write SERVICE.RESOURCES.ACTION, where \"*\" may stand for the last words, or SERVICE@TIER", w)
		}
	}
	for _, w := range words {
		away, isAway := strings.CutPrefix(w, "-")
		if !isAway {
			continue
		}
		if p.not[i] == nil {
			p.not[i] = newBits(len(p.verb.names))
		}
		if !p.verb.selected(away, true, p.not[i].add) {
			return r.errorf("%.100q takes no permission away", w)
		}
	}
	for v := range p.not[i].all() {
		p.own[i].remove(v)
	}
	return nil
}

// byName grants SERVICE.viewer the tier "read" of SERVICE, and SERVICE.RESOURCES.viewer
// that of the resource; so for auditor, editor and admin. Other names say nothing.
func (p *parser) byName(i int, id string) {
	at := strings.LastIndexByte(id, '.')
	if at < 0 {
		return
	}
	names := map[string]tier{"auditor": audit, "viewer": read, "editor": edit, "admin": admin}
	if t, known := names[id[at+1:]]; known {
		p.cat.roles[i].Known = p.verb.upTo(id[:at], t, p.own[i].add)
	}
}
