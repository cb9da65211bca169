package iam

import (
	"context"
	"slices"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
)

// endpoints serves endpoint.ApiEndpointService: each service of which this node
// answers something is at its own address.
func (d *door) endpoints(address string) Mounted {
	here := func(id string) *endpoint.ApiEndpoint { return &endpoint.ApiEndpoint{Id: id, Address: address} }
	ids := endpointIDs()
	return d.service("yandex.cloud.endpoint.ApiEndpointService", "yandex/cloud/endpoint/api_endpoint_service.proto",
		opened(rpc("Get", func(_ context.Context, _ *core.Call, r *endpoint.GetApiEndpointRequest) (*endpoint.ApiEndpoint, error) {
			id := r.GetApiEndpointId()
			if !slices.Contains(ids, id) {
				return nil, &authz.Error{Code: authz.NotFound, Reason: "ENDPOINT_NOT_FOUND", Field: "api_endpoint_id", Value: id,
					Message: "this server answers for no service of that id", Fix: "list the endpoints, or ask the service itself"}
			}
			return here(id), nil
		})),
		opened(rpc("List", func(context.Context, *core.Call, *endpoint.ListApiEndpointsRequest) (*endpoint.ListApiEndpointsResponse, error) {
			return &endpoint.ListApiEndpointsResponse{Endpoints: all(ids, here)}, nil
		})),
	)
}

// endpointIDs returns the ids of services under which clients look for what is
// served here, sorted.
func endpointIDs() []string {
	ids := []string{"endpoint", "iam", "operation", "organization-manager", "organizationmanager", "resource-manager", "resourcemanager"}
	for _, k := range guardedKinds {
		ids = append(ids, k.endpoint)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
