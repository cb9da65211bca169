package iam

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/descriptorpb"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// wholeServices have bindings and all the rest.
var wholeServices = map[string]string{
	"iam.v1.ServiceAccountService":               core.ServiceAccountKind,
	"resourcemanager.v1.CloudService":            core.CloudKind,
	"resourcemanager.v1.FolderService":           core.FolderKind,
	"organizationmanager.v1.OrganizationService": core.OrganizationKind,
	"organizationmanager.v1.GroupService":        core.GroupKind,
}

// declaredBindings is what a .proto file says of a service with bindings.
type declaredBindings struct {
	File    string
	Methods map[string]declaredMethod
}

type declaredMethod struct{ Request, Answer, Metadata, Response string }

func declaredKinds(t *testing.T) map[string]declaredBindings {
	t.Helper()
	declared := map[string]declaredBindings{}
	for _, file := range vendorFiles(t) {
		for _, s := range file.GetService() {
			d := declaredBindings{file.GetName(), map[string]declaredMethod{}}
			for _, m := range s.GetMethod() {
				if strings.HasSuffix(m.GetName(), "AccessBindings") && m.GetName() != "ListSubjectAccessBindings" {
					d.Methods[m.GetName()] = methodOf(m)
				}
			}
			if _, ok := d.Methods[setBindings]; ok { // not billing accounts, which stand in no organization
				declared[strings.TrimPrefix(file.GetPackage(), "yandex.cloud.")+"."+s.GetName()] = d
			}
		}
	}
	return declared
}

func methodOf(m *descriptorpb.MethodDescriptorProto) declaredMethod {
	op := declaredOperation(m)
	return declaredMethod{m.GetInputType(), m.GetOutputType(), op.GetMetadata(), op.GetResponse()}
}

// bindingMethods is what the three methods are if they are as most are.
func bindingMethods(answer bindingsAnswer) map[string]declaredMethod {
	const access, operation = ".yandex.cloud.access.", ".yandex.cloud.operation.Operation"
	own, response := "access.%AccessBindingsMetadata", "google.protobuf.Empty"
	switch answer {
	case withDeltas:
		response = "access.AccessBindingsOperationResult"
	case ofCommunities:
		own = "%CommunityAccessBindingsMetadata"
	case ofProjects:
		own = "%ProjectAccessBindingsMetadata"
	}
	methods := map[string]declaredMethod{
		"ListAccessBindings": {Request: access + "ListAccessBindingsRequest", Answer: access + "ListAccessBindingsResponse"},
	}
	for _, verb := range []string{"Set", "Update"} {
		methods[verb+"AccessBindings"] = declaredMethod{access + verb + "AccessBindingsRequest", operation, strings.ReplaceAll(own, "%", verb), response}
	}
	return methods
}

func TestGuardedKinds_AreAllServicesWithBindings(t *testing.T) {
	want := declaredKinds(t)
	if len(want) != 67 {
		t.Errorf("the vendor's API has %d services with access bindings, want 67", len(want))
	}
	got := map[string]declaredBindings{}
	for _, k := range guardedKinds {
		got[k.service] = declaredBindings{"yandex/cloud/" + k.file, bindingMethods(k.answer)}
	}
	for service, kind := range wholeServices {
		got[service] = declaredBindings{want[service].File, bindingMethods(bindingAnswers[kind])}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table is not what the .proto files say (-want +got):\n%s", diff)
	}
}

func TestGuardedKinds_AreInTheCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range guardedKinds {
		if _, ok := catalogue.Shipped().Kind(k.kind); !ok {
			t.Errorf("%s: no kind %s", k.service, k.kind)
		}
		if seen[k.kind] {
			t.Errorf("kind %s twice", k.kind)
		}
		seen[k.kind] = true
	}
}

func TestGuardedKinds_OwnMetadataNamesTheResource(t *testing.T) {
	field := map[string]string{}
	for _, file := range vendorFiles(t) {
		for _, m := range file.GetMessageType() {
			if file.GetPackage() == "yandex.cloud.datasphere.v2" && strings.HasSuffix(m.GetName(), "AccessBindingsMetadata") && len(m.GetField()) == 1 {
				f := m.GetField()[0]
				if f.GetNumber() == 1 && f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING {
					field[m.GetName()] = f.GetName()
				}
			}
		}
	}
	for _, kind := range []string{"datasphere.community", "datasphere.project"} {
		for _, verb := range []string{setBindings, updateBindings} {
			packed := ownMetadata(&core.Operation{Kind: verb, Resource: core.Resource{Kind: kind, ID: "an-id"}})
			name := packed.MessageName().Name()
			number, _, n := protowire.ConsumeTag(packed.GetValue())
			id, _ := protowire.ConsumeString(packed.GetValue()[n:])
			if !strings.HasSuffix(field[string(name)], "_id") || number != 1 || id != "an-id" {
				t.Errorf("%s of %s: got %s with %d = %q, want field %q", verb, kind, name, number, id, field[string(name)])
			}
		}
	}
}
