// Package examples holds the example policies as validation files: schema,
// tuples and assertions in one YAML text, which "pemba validate" proves.
package examples

import _ "embed"

// Cloud is a cloud's IAM: organization, clouds, folders and resources, roles
// and their inheritance.
//
//go:embed cloud.yaml
var Cloud string

// Docs is document sharing: folders, groups, public links, a block list,
// access that ends by itself or depends on the request.
//
//go:embed docs.yaml
var Docs string

// SaaS is a multi-tenant product: built-in roles and roles that customers make,
// sharing by link and with guests, suspended members, plans, break-glass.
//
//go:embed saas.yaml
var SaaS string
