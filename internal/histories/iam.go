//go:build linux

package histories

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/iam/credential"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// iamRun is a run in which clients change who may do what and ask about it.
type iamRun struct {
	run
	world iamWorld

	mu      sync.Mutex  // guards what follows
	answers []iamAnswer // in the order in which they came
	acks    []ack       // of changes
}

// iamAnswer is an answer of Authorize.
type iamAnswer struct {
	account, name, on string // name is a role or a permission
	node              string
	level             level
	atLeast           uint64 // revision of the token that was sent
	call              moment
	rev               uint64
	allowed           bool
}

// ack is when a change was known to have been made, and a revision that has it.
type ack struct {
	at  moment
	rev uint64
}

// as is the context of a request of who owns everything.
func (w *iamWorld) as(ctx context.Context, more ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append(more, "authorization", "Bearer "+w.owner)...)
}

// found makes the world, while nothing goes wrong.
func (r *iamRun) found(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	private, public, err := credential.GenerateKey(2048)
	if err != nil {
		return err
	}
	conn := r.cluster.conns[0]
	made, err := iamv1.NewSetupServiceClient(conn).Initialize(ctx, &iamv1.InitializeRequest{PublicKey: public})
	if err != nil {
		return err
	}
	key := credential.KeyFile{ID: made.GetKeyId(), ServiceAccountID: made.GetServiceAccountId(), PrivateKey: private}
	jwt, err := key.Assertion(time.Now(), credential.VendorAudience)
	if err != nil {
		return err
	}
	token, err := iampb.NewIamTokenServiceClient(conn).Create(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt}})
	if err != nil {
		return err
	}
	w := &r.world
	w.owner, w.cloud, w.folders = token.GetIamToken(), made.GetCloudId(), []string{made.GetFolderId()}
	return r.populate(w.as(ctx), conn, made)
}

func (r *iamRun) populate(ctx context.Context, conn *grpc.ClientConn, made *iamv1.InitializeResponse) error {
	w := &r.world
	folder := &rmpb.CreateFolderMetadata{}
	op, err := rmpb.NewFolderServiceClient(conn).Create(ctx, &rmpb.CreateFolderRequest{CloudId: w.cloud, Name: "second"})
	if err == nil {
		err = op.GetMetadata().UnmarshalTo(folder)
	}
	if err != nil {
		return err
	}
	w.folders = append(w.folders, folder.GetFolderId())
	for i := range 4 {
		account := &iampb.CreateServiceAccountMetadata{}
		op, err := iampb.NewServiceAccountServiceClient(conn).Create(ctx, &iampb.CreateServiceAccountRequest{FolderId: w.folders[0], Name: fmt.Sprint("account-", i)})
		if err == nil {
			err = op.GetMetadata().UnmarshalTo(account)
		}
		if err != nil {
			return err
		}
		w.accounts = append(w.accounts, account.GetServiceAccountId())
	}
	for i := range 2 {
		group := &ompb.CreateGroupMetadata{}
		op, err := ompb.NewGroupServiceClient(conn).Create(ctx, &ompb.CreateGroupRequest{OrganizationId: made.GetOrganizationId(), Name: fmt.Sprint("group-", i)})
		if err == nil {
			err = op.GetMetadata().UnmarshalTo(group)
		}
		if err != nil {
			return err
		}
		w.groups = append(w.groups, group.GetGroupId())
	}
	return r.makeRole(ctx, conn, made.GetOrganizationId())
}

// makeRole makes the custom role, and grants it to an account that gets no other.
func (r *iamRun) makeRole(ctx context.Context, conn *grpc.ClientConn, organization string) error {
	w, admin := &r.world, iamv1.NewAdminServiceClient(conn)
	role, err := admin.CreateRole(ctx, &iamv1.CreateRoleRequest{OrganizationId: organization, Name: "custom", Permissions: []string{customOf[false]}})
	if err != nil {
		return err
	}
	w.custom = role.GetRole().GetId()
	var header metadata.MD
	_, err = admin.UpdateAccessBindings(ctx, deltaOf(w.custom, "serviceAccount", w.accounts[3], folderOf(w.folders[0]), true), grpc.Header(&header))
	if err != nil {
		return err
	}
	r.base.text = header.Get("pemba-consistency-token")[0]
	r.base.rev, err = revisionOf(r.base.text)
	return err
}

func folderOf(id string) *iamv1.Resource {
	return &iamv1.Resource{Kind: "resource-manager.folder", Id: id}
}

func (w *iamWorld) resource(id string) *iamv1.Resource {
	if id == w.cloud {
		return &iamv1.Resource{Kind: "resource-manager.cloud", Id: id}
	}
	return folderOf(id)
}

func deltaOf(role, kind, subject string, on *iamv1.Resource, add bool) *iamv1.UpdateAccessBindingsRequest {
	action := iamv1.AccessBindingDelta_ACTION_REMOVE
	if add {
		action = iamv1.AccessBindingDelta_ACTION_ADD
	}
	return &iamv1.UpdateAccessBindingsRequest{Resource: on, AccessBindingDeltas: []*iamv1.AccessBindingDelta{{
		Action: action, AccessBinding: &iamv1.AccessBinding{RoleId: role, Subject: &iamv1.Subject{Type: kind, Id: subject}},
	}}}
}

// iamChange makes a fact true or false, by one request.
type iamChange struct {
	fact *fact
	make func(ctx context.Context, conn *grpc.ClientConn, value bool, opts ...grpc.CallOption) error
}

// changes returns all that can change.
func (w *iamWorld) changes() []iamChange {
	var out []iamChange
	add := func(name string, do func(context.Context, *grpc.ClientConn, bool, ...grpc.CallOption) error) {
		f := &fact{name: name}
		w.facts[name] = f
		out = append(out, iamChange{f, do})
	}
	bind := func(kind, subject string) {
		for _, role := range iamRoles {
			for _, on := range append([]string{w.cloud}, w.folders...) {
				add(bindingFact(role, subject, on), func(ctx context.Context, conn *grpc.ClientConn, value bool, opts ...grpc.CallOption) error {
					_, err := iamv1.NewAdminServiceClient(conn).UpdateAccessBindings(ctx, deltaOf(role, kind, subject, w.resource(on), value), opts...)
					return err
				})
			}
		}
	}
	for _, g := range w.groups {
		bind("group", g)
		for _, a := range w.accounts[:3] {
			add(memberFact(a, g), func(ctx context.Context, conn *grpc.ClientConn, value bool, opts ...grpc.CallOption) error {
				action := ompb.MemberDelta_REMOVE
				if value {
					action = ompb.MemberDelta_ADD
				}
				_, err := ompb.NewGroupServiceClient(conn).UpdateMembers(ctx, &ompb.UpdateGroupMembersRequest{
					GroupId: g, MemberDeltas: []*ompb.MemberDelta{{Action: action, SubjectId: a}},
				}, opts...)
				return err
			})
		}
	}
	bind("serviceAccount", w.accounts[0])
	add(customFact, func(ctx context.Context, conn *grpc.ClientConn, value bool, opts ...grpc.CallOption) error {
		_, err := iamv1.NewAdminServiceClient(conn).UpdateRole(ctx, &iamv1.UpdateRoleRequest{
			RoleId: w.custom, Fields: []string{"permissions"}, Permissions: []string{customOf[value]},
		}, opts...)
		return err
	})
	return out
}

// changeFacts turns facts of its own over and over. A change without a known fate
// goes to another node under the same key, until it is known.
func (r *iamRun) changeFacts(ctx context.Context, c *client, own []iamChange) {
	known := r.base.rev
	for pause(ctx, time.Duration(c.rand.IntN(30))*time.Millisecond) {
		change, value := own[c.rand.IntN(len(own))], c.rand.IntN(5) < 2
		change.fact.begin(known, value)
		key, first := rand.Text(), true
		for {
			n := c.anyNode()
			rev, err := r.try(ctx, c, n, change, value, key)
			c.expect(change.fact.name, n, err)
			if err == nil {
				after := known
				if first {
					after = rev - 1
				}
				change.fact.end(after, rev)
				known = rev
				break
			}
			if first = false; !pause(ctx, 50*time.Millisecond) {
				return
			}
		}
	}
}

// try sends a change to a node, and returns the revision that has it.
func (r *iamRun) try(ctx context.Context, c *client, n *node, change iamChange, value bool, key string) (uint64, error) {
	ctx, cancel := context.WithTimeout(r.world.as(ctx, "idempotency-key", key), attemptTimeout)
	defer cancel()
	var header metadata.MD
	if err := change.make(ctx, r.cluster.conns[n.place], value, grpc.Header(&header)); err != nil {
		return 0, err
	}
	if len(header.Get("pemba-consistency-token")) != 1 {
		return 0, fmt.Errorf("%s: no consistency token in %v", change.fact.name, header)
	}
	text := header.Get("pemba-consistency-token")[0]
	rev, err := revisionOf(text)
	if err != nil {
		return 0, err
	}
	r.tokens.add(c.rand, token{text, rev})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acks = append(r.acks, ack{r.history.now(), rev})
	return rev, nil
}

// askRights asks all nodes all kinds of questions at all levels.
func (r *iamRun) askRights(ctx context.Context, c *client) {
	w := &r.world
	for pause(ctx, time.Millisecond) {
		q := iamAnswer{account: w.accounts[c.rand.IntN(3)], name: iamRoles[c.rand.IntN(2)], on: w.folders[c.rand.IntN(2)]}
		if c.rand.IntN(4) == 0 {
			q.account, q.name, q.on = w.accounts[3], customOf[c.rand.IntN(2) == 0], w.folders[0]
		}
		n := c.anyNode()
		var at token
		q.level, at = c.choose()
		q.node, q.atLeast, q.call = n.name(), at.rev, r.history.now()
		if c.rand.IntN(4) == 0 {
			if t, ok := r.tokens.pick(c.rand); ok {
				q.level, at, q.atLeast = atLeast, t, t.rev
			}
		}
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		reply, err := iamv1.NewAccessServiceClient(r.cluster.conns[n.place]).Authorize(attempt, &iamv1.AuthorizeRequest{
			Identity:   &iamv1.AuthorizeRequest_Subject{Subject: &iamv1.Subject{Type: "serviceAccount", Id: q.account}},
			Permission: q.name, ResourcePath: []*iamv1.Resource{folderOf(q.on)}, Consistency: consistency(q.level, at.text),
		})
		cancel()
		c.expect("authorize", n, err)
		if err != nil {
			continue
		}
		var ok bool
		if q.rev, ok = c.note(reply.GetToken()); !ok {
			return
		}
		q.allowed = reply.GetDecision() == pb.Decision_DECISION_ALLOWED
		r.mu.Lock()
		r.answers = append(r.answers, q)
		r.mu.Unlock()
	}
}

// mostStale is how far behind an answer at "any" may be: the bound of the program
// and half a second for the processor.
const mostStale = moment(10*time.Second + 500*time.Millisecond)

// check holds every answer against the oracle at its revision, and its revision
// against its level. It returns how many said what, and how many say nothing.
func (r *iamRun) check() (allowed, denied, unsure int) {
	slices.SortFunc(r.acks, func(a, b ack) int { return int(a.at - b.at) })
	for i := 1; i < len(r.acks); i++ { // the newest that was acknowledged by then
		r.acks[i].rev = max(r.acks[i].rev, r.acks[i-1].rev)
	}
	for _, a := range r.answers {
		want := r.world.has(a.account, a.name, a.on, a.rev)
		if a.account == r.world.accounts[3] {
			want = r.world.permits(a.name, a.rev)
		}
		switch {
		case want == maybe:
			unsure++
		case (want == yes) != a.allowed:
			r.history.fault("%s of %s on %s at revision %d (%s, %v): allowed %v", a.name, a.account, a.on, a.rev, a.node, a.level, a.allowed)
		case a.allowed:
			allowed++
		default:
			denied++
		}
		if why := r.tooOld(a); why != "" {
			r.history.fault("%s of %s on %s answered by %s: %s", a.name, a.account, a.on, a.node, why)
		}
	}
	return allowed, denied, unsure
}

// tooOld says why an answer's revision is not what was asked for, "" = it is.
func (r *iamRun) tooOld(a iamAnswer) string {
	newest := func(at moment) uint64 {
		i, _ := slices.BinarySearchFunc(r.acks, at, func(x ack, at moment) int { return int(x.at - at) })
		if i == 0 {
			return 0
		}
		return r.acks[i-1].rev
	}
	switch {
	case a.level == exactly && a.rev != a.atLeast:
		return fmt.Sprintf("revision %d, asked at %d", a.rev, a.atLeast)
	case a.level == atLeast && a.rev < a.atLeast:
		return fmt.Sprintf("revision %d, asked at least at %d", a.rev, a.atLeast)
	case a.level == latest && a.rev < newest(a.call):
		return fmt.Sprintf("revision %d at latest, after %d was acknowledged", a.rev, newest(a.call))
	case a.level == anyLevel && a.rev < newest(a.call-mostStale):
		return fmt.Sprintf("revision %d at any, more than %v after %d was acknowledged", a.rev, time.Duration(mostStale), newest(a.call-mostStale))
	}
	return ""
}
