package catalogue

import (
	"slices"
	"strings"
)

// roles reads the roles, without what they grant.
func (p *parser) roles() error {
	rows := p.rows["roles"]
	if len(rows) > maxRoles {
		return rows[maxRoles].errorf("more than %d roles", maxRoles)
	}
	c := p.cat
	c.roleOf = make(map[string]*Role, len(rows))
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.fields[0], b.fields[0]) })
	p.index = make(map[string]int, len(rows))
	for i, r := range rows {
		role, err := p.role(r)
		if err != nil {
			return err
		}
		p.index[role.ID] = i
		c.roles = append(c.roles, role)
		c.roleOf[role.ID] = role
		p.line = append(p.line, r.line)
	}
	return nil
}

func (p *parser) role(r row) (*Role, error) {
	role := &Role{ID: r.fields[0], Includes: r.list(1), Owner: r.fields[3] == "owner", Description: r.fields[4]}
	switch {
	case !ValidRoleID(role.ID):
		return nil, r.errorf("%.100q is no role id; write words with dots between, at most %d bytes, of letters, digits and '-', that do not begin with %q, %q or %q", role.ID, MaxRoleID, rolePrefix, classPrefix, customPrefix)
	case p.cat.roleOf[role.ID] != nil:
		return nil, r.errorf("the role %s stands here again", role.ID)
	case p.cat.HasPermission(role.ID):
		return nil, r.errorf("%s is a permission; call the role something else", role.ID)
	case len(role.Includes) > maxIncludes:
		return nil, r.errorf("the role %s includes more than %d roles", role.ID, maxIncludes)
	case r.fields[3] != "owner" && r.fields[3] != "-":
		return nil, r.errorf(`%.100q is no flag; write "owner" or "-"`, r.fields[3])
	case len(role.Description) > maxDescription:
		return nil, r.errorf("the description of %s is longer than %d bytes", role.ID, maxDescription)
	}
	return role, p.kindsOf(role, r)
}

// kindsOf fills in the kinds of resources that role may be assigned on.
func (p *parser) kindsOf(role *Role, r row) error {
	words := r.list(2)
	if len(words) == 1 && words[0] == "*" {
		return nil
	}
	role.Kinds = []string{}
	for _, w := range words {
		service, all := strings.CutSuffix(w, ".*")
		switch {
		case p.cat.kindOf[w] != nil:
			role.Kinds = append(role.Kinds, w)
			continue
		case !all:
			return r.errorf(`%.100q is no kind; write kinds of [kinds], SERVICE.* or "*"`, w)
		}
		known := len(role.Kinds)
		for _, k := range p.cat.kinds {
			if strings.HasPrefix(k.ID, service+".") {
				role.Kinds = append(role.Kinds, k.ID)
			}
		}
		if known == len(role.Kinds) {
			return r.errorf("%.100q stands for no kind", w)
		}
		if len(role.Kinds) > 2*maxKinds {
			return r.errorf("the kinds of %s are named too often", role.ID)
		}
	}
	slices.Sort(role.Kinds)
	role.Kinds = slices.Clip(slices.Compact(role.Kinds))
	return nil
}

// inclusions adds what the included roles grant, and finds who includes whom.
func (p *parser) inclusions() error {
	roles := p.cat.roles
	order, err := p.inclusionOrder()
	if err != nil {
		return err
	}
	all := make([]bits, len(roles))
	granted := 0
	for _, i := range order { // included roles first
		all[i] = slices.Clone(p.own[i])
		for _, id := range roles[i].Includes {
			all[i].addAll(all[p.index[id]])
		}
		roles[i].Known = roles[i].Known || all[i].len() > 0
		for v := range p.not[i].all() {
			if all[i].has(v) {
				return row{line: p.line[i]}.errorf("%s must not have %s, which a role that it includes brings back", roles[i].ID, p.verb.names[v])
			}
		}
		if granted += all[i].len(); granted > maxGranted {
			return row{line: p.line[i]}.errorf("the roles grant more than %d permissions taken together", maxGranted)
		}
		roles[i].Permissions = make([]string, 0, all[i].len())
		for v := range all[i].all() {
			roles[i].Permissions = append(roles[i].Permissions, p.verb.names[v])
		}
	}
	for _, r := range roles {
		r.holders = newBits(len(roles))
	}
	for k := len(order) - 1; k >= 0; k-- { // those that include come before those that are included
		i := order[k]
		roles[i].holders.add(i)
		for _, id := range roles[i].Includes {
			roles[p.index[id]].holders.addAll(roles[i].holders)
		}
	}
	return nil
}

// inclusionOrder returns the roles so that each stands behind all that it
// includes. Roles that include each other are an error.
func (p *parser) inclusionOrder() ([]int, error) {
	roles := p.cat.roles
	order := make([]int, 0, len(roles))
	const (
		fresh = iota
		open
		done
	)
	state := make([]uint8, len(roles))
	var visit func(i int) error
	visit = func(i int) error { // at most as deep as there are roles
		state[i] = open
		for _, id := range roles[i].Includes {
			j, known := p.index[id]
			switch {
			case !known:
				return row{line: p.line[i]}.errorf("%s includes %.100q, which is no role", roles[i].ID, id)
			case state[j] == open:
				return row{line: p.line[i]}.errorf("%s includes %s, which includes it in turn; take one of the inclusions away", roles[i].ID, id)
			case state[j] == fresh:
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		state[i] = done
		order = append(order, i)
		return nil
	}
	for i := range roles {
		if state[i] == fresh {
			if err := visit(i); err != nil {
				return nil, err
			}
		}
	}
	return order, nil
}
