package iam

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// Own returns the services of pemba.iam.v1: AccessService and AdminService, and
// SetupService.
func Own(c Config) []Mounted {
	c = c.withDefaults()
	d := &door{iam: c.Service, log: c.Log, maxWait: c.MaxWait}
	admin := d.adminService()
	admin.MaxRequestBytes = maxAdminRequest
	return []Mounted{d.accessService(), d.setupService(), admin}
}

// maxAdminRequest bounds requests of AdminService, which are read before it is known
// who calls: a catalogue has at most 4 MiB.
const maxAdminRequest = 4<<20 + 64<<10

// OwnWithout returns SetupService for a node without an IAM layer: it says what
// the node lacks.
func OwnWithout(c Config) []Mounted {
	c = c.withDefaults()
	d := &door{log: c.Log, maxWait: c.MaxWait}
	return []Mounted{d.setupService()}
}

func (d *door) adminService() Mounted {
	o := own{d.iam}
	return d.service(pb.AdminService_ServiceDesc.ServiceName, "pemba/iam/v1/admin_service.proto",
		rpc("AddUser", o.addUser), rpc("GetUser", o.getUser), rpc("ListUsers", o.listUsers), rpc("RemoveUser", o.removeUser),
		rpc("CreateRole", o.createRole), rpc("UpdateRole", o.updateRole), rpc("DeleteRole", o.deleteRole),
		rpc("GetRole", o.getRole), rpc("ListRoles", o.listRoles),
		rpc("ListKinds", o.listKinds),
		rpc("RegisterResource", o.registerResource), rpc("UnregisterResource", o.unregisterResource),
		rpc("GetResource", o.getResource), rpc("ListResources", o.listResources),
		rpc("ListAccessBindings", o.listAccessBindings), rpc("SetAccessBindings", o.setAccessBindings),
		rpc("UpdateAccessBindings", o.updateAccessBindings),
		rpc("AddKey", o.addKey), rpc("RotateSigningKey", o.rotateSigningKey),
		rpc("GetCatalogue", o.getCatalogue), rpc("SetCatalogue", o.setCatalogue),
		rpc("Why", o.why), rpc("Who", o.who), rpc("What", o.what),
	)
}

// own is what pemba.iam.v1.AdminService answers with.
type own struct{ iam *core.Service }

// made is a reply to a change; fill takes what it needs of the operation.
func made[A proto.Message](op *core.Operation, err error, fill func(op *core.Operation) A) (A, error) {
	if err != nil {
		var none A
		return none, err
	}
	return fill(op), nil
}

func pageOf(size int64, token string) core.Page { return core.Page{Size: size, Token: token} }

func ownSubject(s *pb.Subject) core.Subject {
	return core.Subject{Type: core.SubjectType(s.GetType()), ID: s.GetId()}
}

func pbSubject(s core.Subject) *pb.Subject {
	if s == (core.Subject{}) {
		return nil
	}
	return &pb.Subject{Type: string(s.Type), Id: s.ID}
}

func ownResource(r *pb.Resource) core.Resource {
	return core.Resource{Kind: r.GetKind(), ID: r.GetId()}
}

// givenResource is ownResource for a field that is required.
func givenResource(field string, r *pb.Resource) (core.Resource, error) {
	switch {
	case r.GetKind() == "":
		return core.Resource{}, invalid(field+".kind", "it is missing", "name the kind of resource, as resource-manager.folder")
	case r.GetId() == "":
		return core.Resource{}, invalid(field+".id", "it is missing", "name the resource")
	}
	return ownResource(r), nil
}

func pbResource(r core.Resource) *pb.Resource {
	if r == (core.Resource{}) {
		return nil
	}
	return &pb.Resource{Kind: r.Kind, Id: r.ID}
}

func pbResources(path []core.Resource) []*pb.Resource {
	return list(path, pbResource)
}

func pbBinding(b core.Binding) *pb.AccessBinding {
	return &pb.AccessBinding{RoleId: b.RoleID, Subject: pbSubject(b.Subject)}
}

func pbGrant(b core.BindingAt) *pb.Grant {
	return &pb.Grant{Resource: pbResource(b.Resource), AccessBinding: pbBinding(b.Binding)}
}

// list translates the elements of a list.
func list[A, B any](from []A, one func(A) B) []B {
	to := make([]B, 0, len(from))
	for _, a := range from {
		to = append(to, one(a))
	}
	return to
}

// stamp translates Unix nanoseconds; 0 = none.
func stamp(ns int64) *timestamppb.Timestamp {
	if ns == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, ns))
}
