package iam

import (
	"encoding/json"
	"fmt"

	"github.com/pemba-authz/pemba/authz"
)

// Records of the tenant, by key. All are JSON but where said otherwise.
const (
	organizationsKey = "organizations" // ids of all of them
	customRolesKey   = "custom-roles"  // ids of all of them
	catalogueKey     = "catalogue"     // gzip of its source
	masterKey        = "master"        // fingerprint of the key that secrets are sealed with
	signingKey       = "signing"       // keyringRecord
)

func organizationKey(id string) string { return "organization/" + id }
func cloudKey(id string) string        { return "cloud/" + id }
func folderKey(id string) string       { return "folder/" + id }
func accountKey(id string) string      { return "account/" + id }
func offKey(id string) string          { return "off/" + id } // of an account: why it may not authenticate
func keyKey(id string) string          { return "key/" + id }
func groupKey(id string) string        { return "group/" + id }
func userKey(id string) string         { return "user/" + id }
func roleKey(id string) string         { return "role/" + id }
func operationKey(id string) string    { return "operation/" + id }
func revokedKey(token string) string   { return "revoked/" + token }

// nameKey holds the id of what has a name that is unique in a scope.
func nameKey(scope Resource, kind, name string) string {
	return "name/" + scope.String() + "/" + kind + "/" + name
}

// load reads a record into out, and reports whether there is one.
func load(v *authz.LayerView, key string, out any) (bool, error) {
	data, ok := v.Record(key)
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return false, broken("read record "+key, err)
	}
	return true, nil
}

// encode is the contrary of load.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // records hold nothing that can fail
	}
	return data
}
