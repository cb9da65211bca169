package bench

// total takes each user and each post as asked about with either permission.
func (s *social) total() uint64 { return uint64(s.users) * uint64(s.posts) * 2 }

// question is about a post and a user: one of those whom the post reaches, or one
// of another community.
func (s *social) question(n uint64) Question {
	d := drawsOf(s.seed, int(n))
	post := d.intN(s.posts)
	permission := "view"
	if d.oneIn(5) {
		permission = "comment"
	}
	author, _, _ := s.postGrants(post)
	other := (author + 1 + d.intN(communities-1)) % communities
	user := d.intN(s.users/communities)*communities + other
	if d.float() < s.allowed {
		user = s.reader(post, permission, &d)
	}
	return Question{Object: s.object("post", 'p', post), Permission: permission, Subject: s.user(user)}
}

// reader draws one of those who have a permission on a post, most often a
// follower of its author. He may be blocked all the same.
func (s *social) reader(post int, permission string, d *draws) int {
	author, tagged, audience := s.postGrants(post)
	switch {
	case permission == "comment" || d.oneIn(10):
		return tagged[0]
	case audience >= 0 && d.oneIn(2):
		members := s.crowd('c', audience)
		return members.at(d.intN(s.members.of(audience)))
	}
	return s.follower(author, d.intN(s.followers.of(author)))
}

func (s *social) listed(_ *Question, op Op) (int, func(int) string) {
	if op == ListObjects {
		return s.posts, func(i int) string { return id("n0", 'p', i) }
	}
	return s.users, func(i int) string { return id("n0", 'u', i) }
}
