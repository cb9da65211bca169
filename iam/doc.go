// Package iam is a cloud's identity and access management on the tuple engine:
// organizations, clouds, folders and whatever stands in them, accounts, keys,
// tokens, groups, roles and access bindings. Every operation is itself
// authorized by the roles that it manages, and takes effect only if that still
// holds when it commits. See DESIGN.md.
package iam
