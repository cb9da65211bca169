package bench

// docsPermissions are asked for with these chances.
var docsPermissions = []struct {
	name   string
	chance float64
}{{"view", 0.6}, {"edit", 0.3}, {"share", 0.1}}

// bannedShare is about how many of those who are looked for are banned, or have
// access to the document as it would be if the budget lasted.
const bannedShare = 0.04

func (s *docs) total() uint64 { return s.all }

// question is about a document and a user of the same company: one of those who
// have access, or one with whom nothing is shared.
func (s *docs) question(n uint64) Question {
	d := drawsOf(s.seed, int(n))
	c := d.intN(len(s.companies))
	of := &s.companies[c]
	document, x := d.intN(of.documents), d.float()
	permission := docsPermissions[0].name
	for _, p := range docsPermissions {
		if permission = p.name; x < p.chance {
			break
		}
		x -= p.chance
	}
	user := of.outsider(&d)
	if d.float() < s.allowed/(1-bannedShare) {
		user = s.member(c, s.grantee(c, document, permission, &d), &d)
	}
	return Question{
		Object: s.object(c, "document", 'd', document), Permission: permission, Subject: s.user(c, user), part: c,
	}
}

// grantee draws one of those who have a permission on a document: by the document
// itself, or by its folder or one above. It may be banned all the same.
func (s *docs) grantee(c, document int, permission string, d *draws) who {
	folder, owner, editors, viewers, _ := s.documentGrants(c, document)
	if permission == "share" || d.oneIn(2) {
		return s.folderGrantee(c, folder, permission == "view", d)
	}
	among := []who{owner, editors[0], editors[1]}
	if permission == "view" {
		among = append(among, viewers[0], viewers[1])
	}
	if w := among[d.intN(len(among))]; w != nobody && document != s.companies[c].documents-1 {
		return w
	}
	return s.folderGrantee(c, folder, permission == "view", d)
}

// folderGrantee draws one of those who may edit folder f, or see it.
func (s *docs) folderGrantee(c, f int, view bool, d *draws) who {
	for parent(f) >= 0 && d.oneIn(2) {
		f = parent(f)
	}
	owner, editor, viewer := s.folderGrants(c, f)
	among := []who{owner, editor, viewer}
	if !view {
		among = among[:2]
	}
	return among[d.intN(len(among))]
}

// member draws a user that w stands for.
func (s *docs) member(c int, w who, d *draws) int {
	if !w.group {
		return w.n
	}
	of := &s.companies[c]
	return of.user(of.groups.leafBelow(w.n, d), d)
}

func (s *docs) listed(q *Question, op Op) (int, func(int) string) {
	of := &s.companies[q.part]
	if op == ListObjects {
		return of.documents, func(i int) string { return s.id(q.part, 'd', i) }
	}
	return of.users, func(i int) string { return s.id(q.part, 'u', i) }
}
