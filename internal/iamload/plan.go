// Package iamload makes populations of the IAM layer at scale, for tests and
// benchmarks: organizations with clouds, folders and resources of the catalogue's
// kinds, users and groups, access bindings of all roles, and questions about them.
// The same plan makes the same population, whenever and in whatever order its
// parts are made.
package iamload

import (
	"cmp"
	"math/rand/v2"
)

// Plan says what a population has. A zero field means its default; of users,
// groups and everything else there are as many in each organization, folders are
// spread evenly over the clouds, resources over the folders.
type Plan struct {
	Seed          uint64 // default 1
	Organizations int    // default 10
	Clouds        int    // default 100
	Folders       int    // default 10,000
	Resources     int    // in folders; default 1,000,000
	Bindings      int    // default 1,000,000
	Users         int    // default 100,000: user accounts, service accounts, federated users
	Groups        int    // default 5,000
	Custom        int    // custom roles; default 0
	CustomHolds   int    // permissions of each; default 50

	// Skew is the exponent of Zipf's law by which roles are granted; default 1.1.
	Skew float64
}

func (p Plan) withDefaults() Plan {
	return Plan{
		Seed:          cmp.Or(p.Seed, 1),
		Organizations: cmp.Or(p.Organizations, 10),
		Clouds:        cmp.Or(p.Clouds, 100),
		Folders:       cmp.Or(p.Folders, 10_000),
		Resources:     cmp.Or(p.Resources, 1_000_000),
		Bindings:      cmp.Or(p.Bindings, 1_000_000),
		Users:         cmp.Or(p.Users, 100_000),
		Groups:        cmp.Or(p.Groups, 5_000),
		Custom:        p.Custom,
		CustomHolds:   cmp.Or(p.CustomHolds, 50),
		Skew:          cmp.Or(p.Skew, 1.1),
	}
}

// Of so many bindings one is.
const (
	groupEvery  = 3  // to a group
	systemEvery = 50 // of the others on a resource itself, to a system group
	aboveEvery  = 10 // on what stands above resources
)

// draws returns the random numbers of one thing: the n-th of its kind.
func (p *Plan) draws(kind byte, n int) *rand.Rand {
	return rand.New(rand.NewPCG(p.Seed<<8|uint64(kind), uint64(n)))
}
