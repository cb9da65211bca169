package iam

import (
	"strings"

	"github.com/pemba-authz/pemba/tuple"
)

// Kinds that the core itself makes. All others are the catalogue's.
const (
	OrganizationKind   = "organization-manager.organization"
	CloudKind          = "resource-manager.cloud"
	FolderKind         = "resource-manager.folder"
	ServiceAccountKind = "iam.serviceAccount"
	KeyKind            = "iam.key"
	GroupKind          = "organization-manager.group"
	RoleKind           = "iam.role" // of custom roles
)

// Names of the schema, see iam/catalogue.
const (
	resourceType   = "iam.resource"
	parentRelation = "parent"
	userRelation   = "user"
	rolePrefix     = "r."

	groupType      = "iam.group"
	memberRelation = "member"

	operationType = "iam.operation"
	onRelation    = "on"

	expiryType    = "iam.expiry"
	holdsRelation = "holds"
	recordType    = "iam.record"
)

// Resource is something to which access is controlled.
type Resource struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// String returns KIND/ID.
func (r Resource) String() string { return r.Kind + "/" + r.ID }

// ParseResource reads KIND/ID.
func ParseResource(text string) (Resource, error) {
	kind, id, ok := strings.Cut(text, "/")
	if !ok || kind == "" || id == "" {
		return Resource{}, invalid("resource", text, "a resource is KIND/ID", "write it as resource-manager.folder/ID")
	}
	return Resource{kind, id}, nil
}

func (r Resource) object() tuple.Object { return tuple.Object{Type: resourceType, ID: r.String()} }

// parent returns the tuple that puts r below another resource.
func (r Resource) below(parent Resource) tuple.Tuple {
	o := parent.object()
	return tuple.Tuple{Object: r.object(), Relation: parentRelation, Subject: tuple.Subject{Type: o.Type, ID: o.ID}}
}

// resourceOf is the contrary of object.
func resourceOf(id string) Resource {
	kind, rest, _ := strings.Cut(id, "/")
	return Resource{kind, rest}
}

func (r Resource) subject() tuple.Subject { return tuple.Subject{Type: resourceType, ID: r.String()} }
