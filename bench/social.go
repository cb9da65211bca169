package bench

import (
	"math"

	"github.com/pemba-authz/pemba/tuple"
)

const socialSchema = `definition user {}

definition circle {
	relation member: user | circle#member
}

definition profile {
	relation owner: user
	relation follower: user
	relation blocked: user

	permission see = (owner + follower) - blocked
}

definition post {
	relation author: profile
	relation audience: circle#member
	relation tagged: user

	permission view = tagged + audience + author->see
	permission comment = (tagged + audience) & author->see
}
`

// social is a network of users, each with a profile. The i-th profile and the
// i-th circle are the i-th largest; popular profiles write more posts. The network
// is of several communities that do not know each other: who is the n-th user, has
// the n-th profile, or is in the n-th circle belongs to community n % communities.
// Ids are "n0-<letter><number>": u user, r profile, c circle, p post.
type social struct {
	seed           uint64
	allowed, skew  float64
	users, circles int
	followers      widths
	members        widths
	posts, last    int // last: tuples that the last post keeps
}

const communities = 4

// widths are how many users the i-th largest of some groups has.
type widths struct {
	scale, skew float64
	most        int
}

// newWidths spreads about all tuples over so many groups.
func newWidths(all, groups, most int, skew float64) widths {
	return widths{float64(all) * (1 - skew) / math.Pow(float64(groups), 1-skew), skew, most}
}

// of is the width of the i-th group, at least 1.
func (w *widths) of(i int) int {
	n := int(w.scale * math.Pow(float64(i+1), -w.skew))
	return max(1, min(n, w.most))
}

func newSocial(p Plan) *social {
	s := &social{seed: p.Seed, allowed: p.Allowed, skew: p.Skew}
	s.users = max(15, p.Tuples/12/communities) * communities
	s.circles = max(2, s.users/1000/communities) * communities
	s.followers = newWidths(p.Tuples/2, s.users, s.users/communities, p.Skew)
	s.members = newWidths(p.Tuples/8, s.circles, s.users/communities, p.Skew)
	budget := p.Tuples
	for i := range s.circles {
		budget -= s.members.of(i)
		if s.outer(i) >= 0 {
			budget--
		}
	}
	for i := range s.users {
		budget -= 1 + s.followers.of(i) + s.blocked(i)
	}
	s.posts, s.last = fill(budget, func(n int) int { return len(s.whole(n)) })
	return s
}

func (s *social) schema() (string, error) { return socialSchema, nil }

func (s *social) object(typ string, letter byte, n int) tuple.Object {
	return tuple.Object{Type: typ, ID: id("n0", letter, n)}
}

func (s *social) user(n int) tuple.Subject {
	return tuple.Subject{Type: "user", ID: id("n0", 'u', n)}
}

// crowd is the users of a community in an order of their own for each profile or
// circle, whose followers or members are the first of them.
type crowd struct {
	order     permutation
	community int
}

func (s *social) crowd(letter byte, n int) crowd {
	d := drawsOf(s.seed, int(letter), n)
	return crowd{newPermutation(uint64(s.users/communities), d.next()), n % communities}
}

func (c *crowd) at(i int) int { return int(c.order.at(uint64(i)))*communities + c.community }

func (s *social) follower(profile, i int) int {
	c := s.crowd('r', profile)
	return c.at(i)
}

// blocked is how many followers of a profile are blocked: its first ones.
func (s *social) blocked(profile int) int { return min(s.followers.of(profile)/40, 10) }

// outer is the larger circle that circle n is a member of, -1 = none.
func (s *social) outer(n int) int {
	d := drawsOf(s.seed, 'o', n)
	if n < communities || !d.oneIn(3) {
		return -1
	}
	return n/communities/2*communities + n%communities
}

func (s *social) circle(n int) []tuple.Tuple {
	p := page{object: s.object("circle", 'c', n)}
	members := s.crowd('c', n)
	for i := range s.members.of(n) {
		p.add("member", s.user(members.at(i)))
	}
	inner := n/communities*2*communities + n%communities
	for _, inner := range []int{inner, inner + communities} {
		if inner > n && inner < s.circles && s.outer(inner) == n {
			p.add("member", userset(s.object("circle", 'c', inner)))
		}
	}
	return p.tuples
}

func (s *social) profile(n int) []tuple.Tuple {
	p := page{object: s.object("profile", 'r', n)}
	p.add("owner", s.user(n))
	followers := s.crowd('r', n)
	for i := range s.followers.of(n) {
		u := s.user(followers.at(i))
		p.add("follower", u)
		if i < s.blocked(n) {
			p.add("blocked", u)
		}
	}
	return p.tuples
}

// skewed draws one of n, the first ones most often.
func (s *social) skewed(n int, d *draws) int {
	return int(float64(n) * math.Pow(d.float(), 1/(1-s.skew)))
}

// postGrants are a post's author, up to two whom it tags, both among the
// author's followers, and the circle that it is for, -1 = none.
func (s *social) postGrants(n int) (author int, tagged [2]int, audience int) {
	d := drawsOf(s.seed, 'p', n)
	author = s.skewed(s.users, &d)
	blocked := s.blocked(author)
	follower := func() int { return s.follower(author, blocked+d.intN(s.followers.of(author)-blocked)) }
	tagged = [2]int{follower(), -1}
	if second := follower(); d.oneIn(2) {
		tagged[1] = second
	}
	audience = -1
	if circle := d.intN(s.circles / communities); d.oneIn(3) {
		audience = circle*communities + author%communities
	}
	return author, tagged, audience
}

// whole is the page of a post if the budget lasts for all of it.
func (s *social) whole(n int) []tuple.Tuple {
	p := page{object: s.object("post", 'p', n)}
	author, tagged, audience := s.postGrants(n)
	p.add("author", plain(s.object("profile", 'r', author)))
	for _, u := range tagged {
		if u >= 0 {
			p.addNew("tagged", s.user(u))
		}
	}
	if audience >= 0 {
		p.add("audience", userset(s.object("circle", 'c', audience)))
	}
	return p.tuples
}

func (s *social) post(n int) []tuple.Tuple {
	tuples := s.whole(n)
	if n == s.posts-1 {
		tuples = tuples[:s.last]
	}
	return tuples
}

func (s *social) tuples(yield func(tuple.Tuple) bool) {
	_ = yieldPages(s.circles, s.circle, yield) && yieldPages(s.users, s.profile, yield) && yieldPages(s.posts, s.post, yield)
}

func (s *social) facts(int) func(tuple.Object) []tuple.Tuple {
	return remembered(func(o tuple.Object) []tuple.Tuple {
		_, letter, n, ok := number(o.ID)
		switch {
		case !ok:
		case letter == 'c' && n < s.circles:
			return s.circle(n)
		case letter == 'r' && n < s.users:
			return s.profile(n)
		case letter == 'p' && n < s.posts:
			return s.post(n)
		}
		return nil
	})
}

func (s *social) scratch(object, subject string) tuple.Tuple {
	return tuple.Tuple{Object: tuple.Object{Type: "post", ID: object}, Relation: "tagged",
		Subject: tuple.Subject{Type: "user", ID: subject}}
}
