package iam

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/api"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	core "github.com/pemba-authz/pemba/iam"
)

var discard = slog.New(slog.DiscardHandler)

// wholly returns the services that are served whole, with their definitions.
func wholly(t *testing.T) map[*grpc.ServiceDesc]protoreflect.ServiceDescriptor {
	t.Helper()
	out := map[*grpc.ServiceDesc]protoreflect.ServiceDescriptor{}
	for _, m := range Vendor(Config{Log: discard}) {
		if isGuarded(m.Desc.ServiceName) {
			continue
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(m.Desc.ServiceName))
		if err != nil {
			t.Fatal(err)
		}
		out[m.Desc] = d.(protoreflect.ServiceDescriptor)
	}
	return out
}

func isGuarded(service string) bool {
	return slices.ContainsFunc(guardedKinds, func(k guardedKind) bool { return "yandex.cloud."+k.service == service })
}

func TestVendor_ServesEveryMethodOfItsServices(t *testing.T) {
	services := wholly(t)
	if len(services) != 14 {
		t.Errorf("%d services are served whole, want 14", len(services))
	}
	for desc, d := range services {
		var want, got []string
		for i := range d.Methods().Len() {
			want = append(want, string(d.Methods().Get(i).Name()))
		}
		for _, m := range desc.Methods {
			got = append(got, m.MethodName)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || desc.Metadata != d.ParentFile().Path() {
			t.Errorf("%s in %s (-want +got):\n%s", desc.ServiceName, desc.Metadata, diff)
		}
	}
}

func TestVendor_MethodsTakeTheRequestsOfTheirDefinitions(t *testing.T) {
	stop := errors.New("decoded")
	for desc, d := range wholly(t) {
		for _, m := range desc.Methods {
			var request proto.Message
			_, _ = m.Handler(nil, context.Background(), func(v any) error {
				request = v.(proto.Message)
				return stop
			}, nil)
			want := d.Methods().ByName(protoreflect.Name(m.MethodName)).Input().FullName()
			if request != nil && request.ProtoReflect().Descriptor().FullName() != want { // those that are not there decode nothing
				t.Errorf("%s/%s takes %T, want %s", desc.ServiceName, m.MethodName, request, want)
			}
		}
	}
}

// kindsOfOperations names the operations of methods whose names do not.
var kindsOfOperations = map[string]string{
	"UserService.DeleteMembership": "DeleteMembership", "GroupService.UpdateMembers": "UpdateGroupMembers",
}

// kindOfOperation is what core calls the operation of a method.
func kindOfOperation(m protoreflect.MethodDescriptor) string {
	service := string(m.Parent().Name())
	if kind, ok := kindsOfOperations[service+"."+string(m.Name())]; ok {
		return kind
	}
	if strings.HasSuffix(string(m.Name()), "AccessBindings") {
		return string(m.Name())
	}
	return string(m.Name()) + strings.TrimSuffix(service, "Service")
}

func TestOutcomes_AreWhatMethodsDeclare(t *testing.T) {
	checked := map[string]bool{}
	for _, d := range wholly(t) {
		for i := range d.Methods().Len() {
			m := d.Methods().Get(i)
			declared, _ := proto.GetExtension(m.Options(), api.E_Operation).(*api.Operation)
			kind := kindOfOperation(m)
			if declared == nil || outcomes[kind] == nil {
				continue
			}
			checked[kind] = true
			op := fullOperation(kind)
			op.Resource.Kind = wholeServices[strings.TrimPrefix(string(d.FullName()), "yandex.cloud.")]
			got, err := protoOperation(op)
			if err != nil {
				t.Fatal(err)
			}
			if name := got.GetMetadata().MessageName(); !resolves(m, declared.GetMetadata(), name) {
				t.Errorf("%s: metadata is %s, want %s", m.FullName(), name, declared.GetMetadata())
			}
			if name := got.GetResponse().MessageName(); !resolves(m, declared.GetResponse(), name) {
				t.Errorf("%s: response is %s, want %s", m.FullName(), name, declared.GetResponse())
			}
		}
	}
	if len(checked) != len(outcomes) {
		t.Errorf("%d kinds of operations were looked at, the table has %d", len(checked), len(outcomes))
	}
}

// resolves reports whether a name that an option gives is a full name: it is
// relative to the method's package or to one above it.
func resolves(m protoreflect.MethodDescriptor, given string, full protoreflect.FullName) bool {
	for scope := m.ParentFile().Package(); scope != ""; scope = scope.Parent() {
		if full == scope+"."+protoreflect.FullName(given) {
			return true
		}
	}
	return full == protoreflect.FullName(given)
}

func fullOperation(kind string) *core.Operation {
	return &core.Operation{
		ID: "op", Kind: kind, Done: true, Resource: core.Resource{ID: "an-id"}, Account: &core.Account{}, Folder: &core.Folder{},
		Cloud: &core.Cloud{}, Organization: &core.Organization{}, Group: &core.Group{}, User: &core.User{}, Key: &core.Key{}, DeleteAfter: 1,
	}
}

func TestOperation_WaitingHasNoResponse(t *testing.T) {
	op := fullOperation("DeleteFolder")
	op.Done = false
	got, err := protoOperation(op)
	if err != nil || got.GetDone() || got.GetResult() != nil || got.GetMetadata() == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOperation_OfOursIsAnsweredWithNothing(t *testing.T) {
	got, err := protoOperation(fullOperation("RegisterResource"))
	if _, ok := got.GetResult().(*operation.Operation_Response); err != nil || !ok || got.GetMetadata() != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
