package iam

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCreateGroup_NamesAreThoseOfGroups(t *testing.T) {
	s := newSite(t)
	g := s.done(s.CreateGroup(t.Context(), s.owner, s.OrganizationID, About{Name: "Crew_of.A-1"})).Group
	got, err := s.Group(t.Context(), s.owner, g.ID)
	if diff := cmp.Diff(g, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, name := range []string{"", "1a", "a b", "a-", "ä"} {
		_, err := s.CreateGroup(t.Context(), s.owner, s.OrganizationID, About{Name: name})
		s.refuses("INVALID_FIELD", err)
	}
	_, err = s.CreateGroup(t.Context(), s.owner, s.OrganizationID, About{Name: "Crew_of.A-1"})
	s.refuses("RESOURCE_EXISTS", err)
	_, err = s.CreateGroup(t.Context(), s.owner, "none", About{Name: "a"})
	s.refuses("RESOURCE_NOT_FOUND", err)
	s.done(s.UpdateGroup(t.Context(), s.owner, GroupUpdate{ID: g.ID, About: About{Name: "B"}, Fields: []string{FieldName}}))
	if l, _, err := s.Groups(t.Context(), s.owner, s.OrganizationID, "B", Page{}); err != nil || len(l) != 1 || l[0].ID != g.ID {
		t.Error(l, err)
	}
}

func TestGroups_NeedPermissions(t *testing.T) {
	s := newSite(t)
	g := s.newGroup("crew")
	viewer, admin := s.newAccount("viewer", s.folder()), s.newAccount("admin", s.folder())
	s.give("viewer", viewer, s.organization())
	s.give("organization-manager.groups.admin", admin, s.organization())
	call := s.as(viewer)
	for what, err := range map[string]error{
		"create":  second(s.CreateGroup(t.Context(), call, s.OrganizationID, About{Name: "a"})),
		"update":  second(s.UpdateGroup(t.Context(), call, GroupUpdate{ID: g.ID})),
		"delete":  second(s.DeleteGroup(t.Context(), call, g.ID)),
		"members": second(s.UpdateGroupMembers(t.Context(), call, g.ID, []MemberDelta{{Member: viewer}})),
	} {
		t.Log(what)
		s.refuses("PERMISSION_DENIED", err)
	}
	if _, _, err := s.GroupMembers(t.Context(), call, g.ID, Page{}); err != nil {
		t.Error(err)
	}
	call = s.as(admin)
	s.done(s.UpdateGroupMembers(t.Context(), call, g.ID, []MemberDelta{{Member: viewer}}))
	s.done(s.DeleteGroup(t.Context(), call, g.ID))
}

func second[A any](_ A, err error) error { return err }

func TestUpdateGroupMembers_TellsWhatHadAnEffect(t *testing.T) {
	s := newSite(t)
	ann, bob, a := s.newUser("ann"), s.newUser("bob"), s.newAccount("a", s.folder())
	g := s.newGroup("crew", ann)
	op := s.done(s.UpdateGroupMembers(t.Context(), s.owner, g.ID, []MemberDelta{
		{Member: ann}, {Member: bob}, {Member: a}, {Remove: true, Member: a}, {Remove: true, Member: s.root()}, {Member: bob},
	}))
	if diff := cmp.Diff([]MemberDelta{{Member: bob}}, op.Members); diff != "" {
		t.Error(diff)
	}
	var got []string
	p := Page{Size: 1}
	for {
		page, next, err := s.GroupMembers(t.Context(), s.owner, g.ID, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			got = append(got, m.String())
		}
		if p.Token = next; next == "" {
			break
		}
	}
	slices.Sort(got)
	want := []string{ann.String(), bob.String()}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateGroupMembers_TakesOnlySubjectsOfTheOrganization(t *testing.T) {
	s := newSite(t)
	g, other := s.newGroup("crew"), s.newGroup("other")
	for _, who := range []Subject{
		{UserAccount, "none"}, {ServiceAccount, "none"}, {FederatedUser, s.newUser("ann").ID}, other.subject(), {System, AllUsers}, {UserAccount, ""},
	} {
		_, err := s.UpdateGroupMembers(t.Context(), s.owner, g.ID, []MemberDelta{{Member: s.root()}, {Member: who}})
		if err == nil {
			t.Errorf("%s is a member", who)
		}
	}
	_, err := s.UpdateGroupMembers(t.Context(), s.owner, g.ID, nil)
	s.refuses("INVALID_FIELD", err)
	_, err = s.UpdateGroupMembers(t.Context(), s.owner, g.ID, make([]MemberDelta, 1001))
	s.refuses("INVALID_FIELD", err)
}

func TestUpdateGroupMembers_ThousandAtOnce(t *testing.T) {
	s := newSite(t)
	var deltas []MemberDelta
	c := s.work(t.Context(), s.now())
	for i := range MaxMemberDeltas {
		u := User{ID: fmt.Sprint("u", i), Type: UserAccount, Organizations: []string{s.OrganizationID}}
		c.put(userKey(u.ID), u)
		deltas = append(deltas, MemberDelta{Member: u.Subject()})
	}
	if _, err := s.layer.Commit(t.Context(), janitor, c.write); err != nil {
		t.Fatal(err)
	}
	g := s.newGroup("crew")
	if op := s.done(s.UpdateGroupMembers(t.Context(), s.owner, g.ID, deltas)); len(op.Members) != MaxMemberDeltas {
		t.Error(len(op.Members))
	}
	for i := range deltas {
		deltas[i].Remove = true
	}
	s.done(s.UpdateGroupMembers(t.Context(), s.owner, g.ID, deltas))
}

// A role for a group is one for its members, and ends with the membership.
func TestGroup_GivesItsMembersWhatItHas(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	g := s.newGroup("crew", ann)
	s.give("viewer", g.subject(), s.folder())
	if !s.can(ann, "compute.instances.get", s.folder()) {
		t.Error("denied to a member")
	}
	s.done(s.UpdateGroupMembers(t.Context(), s.owner, g.ID, []MemberDelta{{Remove: true, Member: ann}}))
	if s.can(ann, "compute.instances.get", s.folder()) {
		t.Error("allowed to a former member")
	}
}

// Restriction 1.5.2 through a group: to let somebody into one that owns a cloud
// is to make him an owner.
func TestUpdateGroupMembers_OfOwnersTakesAnOwner(t *testing.T) {
	s := newSite(t)
	g := s.newGroup("lords", s.newUser("ann"))
	s.give(CloudOwner, g.subject(), s.cloud())
	admin := s.newAccount("admin", s.folder())
	s.give("admin", admin, s.organization())
	for _, d := range []MemberDelta{{Member: admin}, {Remove: true, Member: s.newUser("bob")}} {
		_, err := s.UpdateGroupMembers(t.Context(), s.as(admin), g.ID, []MemberDelta{d})
		if e := s.refuses("PERMISSION_DENIED", err); e.Metadata["permission"] != CloudOwner {
			t.Error(e)
		}
	}
	_, err := s.DeleteGroup(t.Context(), s.as(admin), g.ID)
	s.refuses("PERMISSION_DENIED", err)
	s.done(s.UpdateGroupMembers(t.Context(), s.owner, g.ID, []MemberDelta{{Member: admin}}))
	s.done(s.DeleteGroup(t.Context(), s.as(admin), g.ID)) // an owner by now
}

// Restriction 1.5.3: with Strict nobody gives what he does not hold.
func TestUpdateGroupMembers_StrictTakesAllThatTheGroupHolds(t *testing.T) {
	s := newSite(t)
	g, ann := s.newGroup("crew"), s.newUser("ann")
	grouper := s.newAccount("grouper", s.folder())
	s.give("organization-manager.groups.admin", grouper, s.organization())
	s.give("compute.admin", g.subject(), s.folder())
	add, remove := []MemberDelta{{Member: ann}}, []MemberDelta{{Remove: true, Member: ann}}
	strict := s.open(Config{Master: s.config.Master, Strict: true})
	_, err := strict.UpdateGroupMembers(t.Context(), s.as(grouper), g.ID, add)
	s.refuses("PERMISSION_DENIED", err)
	s.done(strict.UpdateGroupMembers(t.Context(), s.as(grouper), g.ID, remove))
	s.done(s.UpdateGroupMembers(t.Context(), s.as(grouper), g.ID, add))
	s.done(s.UpdateGroupMembers(t.Context(), s.as(grouper), g.ID, remove))
	s.give("compute.admin", grouper, s.folder())
	s.done(strict.UpdateGroupMembers(t.Context(), s.as(grouper), g.ID, add))
}

func TestDeleteGroup_TakesItsMembersAndBindings(t *testing.T) {
	s := newSite(t)
	ann := s.newUser("ann")
	g := s.newGroup("crew", ann)
	s.give("viewer", g.subject(), s.folder())
	s.give("viewer", ann, g.resource())
	s.done(s.DeleteGroup(t.Context(), s.owner, g.ID))
	if left := s.traces(g.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if s.can(ann, "compute.instances.get", s.folder()) {
		t.Error("allowed by a group that is gone")
	}
	_, err := s.Group(t.Context(), s.owner, g.ID)
	s.refuses("RESOURCE_NOT_FOUND", err)
	s.newGroup("crew")
}

// More than a command holds: the call does it all the same, in several.
func TestDeleteGroup_LargerThanACommand(t *testing.T) {
	old := sweepTuples
	sweepTuples = 5
	defer func() { sweepTuples = old }()
	s := newSite(t)
	var who []Subject
	for i := range 12 {
		who = append(who, s.newUser(fmt.Sprint("u", i)))
	}
	g := s.newGroup("crew", who...)
	s.give("viewer", g.subject(), s.folder())
	op := s.done(s.DeleteGroup(t.Context(), s.owner, g.ID))
	if op.Kind != "DeleteGroup" {
		t.Error(op.Kind)
	}
	if left := s.traces(g.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Whoever joined while the group went is out an hour later; until then it gives
// nothing.
func TestDeleteGroup_StragglersGoLater(t *testing.T) {
	s := newSite(t)
	g, ann := s.newGroup("crew"), s.newUser("ann")
	s.done(s.DeleteGroup(t.Context(), s.owner, g.ID))
	c := s.work(t.Context(), s.now())
	c.add(g.member(ann))
	if _, err := s.layer.Commit(t.Context(), janitor, c.write); err != nil {
		t.Fatal(err)
	}
	if left := s.traces(g.ID); len(left) != 1 {
		t.Fatal(left)
	}
	s.pass(3 * time.Hour)
	if left := s.traces(g.ID); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
