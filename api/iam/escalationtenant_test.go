package iam

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	core "github.com/pemba-authz/pemba/iam"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	anObject  = `object { type: "iam.resource" id: "resource-manager.folder/f" } permission: "viewer"`
	aSubject  = `subject { type: "iam.serviceAccount" id: "a" }`
	aCheck    = `tenant: "TENANT" ` + anObject + ` ` + aSubject
	aTuple    = `tuple { object { type: "iam.resource" id: "resource-manager.folder/f" } relation: "r.admin" ` + aSubject + ` }`
	allTuples = `filter { type: "iam.resource" }`
)

// tenantCalls has a request for each method of pemba.v1 that speaks of a tenant,
// which would be right but for the tenant.
var tenantCalls = map[string]string{
	"PermissionService/Check":                 aCheck,
	"PermissionService/BatchCheck":            `tenant: "TENANT" items { ` + anObject + ` ` + aSubject + ` }`,
	"PermissionService/StreamCheck":           `id: 1 check { ` + aCheck + ` }`,
	"PermissionService/StreamCheck in frames": `id: 1 frame { tenant: "TENANT" texts: ["iam.resource", "f", "viewer", "iam.serviceAccount", "a"] questions: [1, 2, 3, 4, 5, 0] }`,
	"PermissionService/ListObjects":           `tenant: "TENANT" type: "iam.resource" permission: "viewer" ` + aSubject,
	"PermissionService/ListSubjects":          `tenant: "TENANT" ` + anObject + ` subject_type: "iam.serviceAccount"`,
	"PermissionService/Expand":                `tenant: "TENANT" ` + anObject,
	"PermissionService/Explain":               `check { ` + aCheck + ` }`,
	"SchemaService/WriteSchema":               `tenant: "TENANT" schema: "definition user {}"`,
	"SchemaService/ReadSchema":                `tenant: "TENANT"`,
	"SchemaService/DiffSchema":                `tenant: "TENANT" schema: "definition user {}"`,
	"SchemaService/SchemaHistory":             `tenant: "TENANT"`,
	"TenantService/CreateTenant":              `name: "TENANT"`,
	"TenantService/DeleteTenant":              `name: "TENANT"`,
	"TupleService/Write":                      `tenant: "TENANT" updates { operation: OPERATION_TOUCH ` + aTuple + ` }`,
	"TupleService/Read":                       `tenant: "TENANT" ` + allTuples,
	"TupleService/DeleteMatching":             `tenant: "TENANT" ` + allTuples,
	"TupleService/Import":                     `start { tenant: "TENANT" import_id: "i" }`,
	"TupleService/Export":                     `tenant: "TENANT"`,
	"TupleService/Watch":                      `tenant: "TENANT"`,
}

// speaksOfTenants reports whether a message has a tenant's name in it.
func speaksOfTenants(m protoreflect.MessageDescriptor, within int) bool {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.Name() == "tenant" || f.Message() != nil && within > 0 && speaksOfTenants(f.Message(), within-1) {
			return true
		}
	}
	return false
}

// tenantMethods returns the methods of pemba.v1 that speak of tenants, by
// SERVICE/METHOD.
func tenantMethods() map[string]protoreflect.MethodDescriptor {
	all := map[string]protoreflect.MethodDescriptor{}
	protoregistry.GlobalFiles.RangeFilesByPackage("pemba.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for k := range service.Methods().Len() {
				m := service.Methods().Get(k)
				if service.Name() != "BenchService" && (service.Name() == "TenantService" && m.Name() != "ListTenants" || speaksOfTenants(m.Input(), 2)) {
					all[string(service.Name()+"/"+m.Name())] = m
				}
			}
		}
		return true
	})
	return all
}

// askTenant makes a call of a method, and returns how it failed.
func (w *stage) askTenant(t *testing.T, ctx context.Context, m protoreflect.MethodDescriptor, text, tenant string) string {
	t.Helper()
	name := string(m.Parent().FullName()) + "/" + string(m.Name())
	r, answer := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if err := prototext.Unmarshal([]byte(strings.ReplaceAll(text, "TENANT", tenant)), r); err != nil {
		t.Fatal(name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: m.IsStreamingServer(), ClientStreams: m.IsStreamingClient()}, "/"+name)
	if err != nil {
		return reasonless(err)
	}
	if err := stream.SendMsg(r); err != nil && err != io.EOF {
		return reasonless(err)
	}
	if err := stream.CloseSend(); err != nil {
		return reasonless(err)
	}
	if err = stream.RecvMsg(answer); err == nil || err == io.EOF {
		return prototext.Format(answer) // a stream may answer with an error
	}
	st := status.Convert(err)
	return st.Code().String() + " " + detail[*errdetails.ErrorInfo](st).GetReason()
}

// The layer's tenant is nobody's but the layer's: whatever else speaks of tenants
// refuses it, to read as to write.
func TestEscalation_IntoTheReservedTenant(t *testing.T) {
	w := openStage(t, false)
	const reserved = "RESERVED_TENANT"
	methods := tenantMethods()
	for name, m := range methods {
		if tenantCalls[name] == "" {
			t.Errorf("%s is not tried", name)
		}
		if got := w.askTenant(t, w.ctx, m, tenantCalls[name], core.Tenant); !strings.Contains(got, "Unauthenticated") { // an IAM token is no key
			t.Errorf("%s with an owner's token: %s", name, got)
		}
	}
	for name, text := range tenantCalls {
		method, _, _ := strings.Cut(name, " ")
		m := methods[method]
		for _, tenant := range []string{core.Tenant, "_other"} {
			if got := w.askTenant(t, w.service, m, text, tenant); !strings.Contains(got, reserved) {
				t.Errorf("%s of %s: %s", name, tenant, got)
			}
		}
		if method == "TupleService/Watch" {
			continue // which would wait
		}
		if got := w.askTenant(t, w.service, m, text, "default"); strings.Contains(got, reserved) {
			t.Errorf("%s of another tenant: %s", name, got)
		}
	}
	listed := must(pembav1.NewTenantServiceClient(w.conn).ListTenants(w.service, &pembav1.ListTenantsRequest{}))(t)
	if slices.ContainsFunc(listed.GetTenants(), func(x *pembav1.Tenant) bool { return x.GetName() == core.Tenant }) {
		t.Error("the tenant is listed: ", listed)
	}
	if err := w.whoami(w.ctx); err != nil {
		t.Error(err)
	}
}
