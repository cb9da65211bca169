package iam

import (
	"github.com/pemba-authz/pemba/authz"
)

// latest is the consistency of what decides.
var latest = authz.Consistency{Level: authz.Latest}

// maxRequest bounds requests of the vendor's API: 1,000 bindings have at most 300 KB.
const maxRequest = 1 << 20

// Vendor returns the services of the vendor's public API that are served,
// whole or their access bindings only.
func Vendor(c Config) []Mounted {
	c = c.withDefaults()
	d := &door{iam: c.Service, log: c.Log, maxWait: c.MaxWait}
	services := []Mounted{
		d.endpoints(c.Address), d.operations(), d.analyzer(),
		tokenService{d}.mounted(), accountService{d}.mounted(), keyService{d}.mounted(), roleService{d}.mounted(),
		cloudService{d}.mounted(), folderService{d}.mounted(), organizationService{d}.mounted(), groupService{d}.mounted(),
	}
	services = append(services, userService{d}.mounted()...)
	for _, k := range guardedKinds {
		services = append(services, d.guarded(k))
	}
	for i := range services {
		services[i].MaxRequestBytes = maxRequest
	}
	return services
}
