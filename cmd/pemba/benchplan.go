package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/pemba-authz/pemba/bench"
)

// addPlanFlags adds the flags that say what a population looks like.
func addPlanFlags(f *pflag.FlagSet, p *bench.Plan) {
	f.StringVar(&p.Workload, "workload", bench.IAM, "what the population is: "+strings.Join(bench.Workloads, ", "))
	f.IntVar(&p.Tuples, "tuples", 100_000, "size of the population")
	f.Uint64Var(&p.Seed, "seed", 1, "seed of the population")
	f.IntVar(&p.Parts, "organizations", 0, "iam, docs: organizations or companies, the fewer the longer are lists; 0 = one for each 10,000 tuples")
	f.IntVar(&p.Depth, "depth", 0, "docs, nested: levels of groups; 0 = 4 or 10")
	f.IntVar(&p.Width, "width", 0, "docs, nested: groups that a group holds; 0 = 3 or 2")
	f.IntVar(&p.Members, "members", 0, "nested: users below an outermost group; 0 = 100,000")
	f.Float64Var(&p.Skew, "skew", 0, "social: how unequal followers are spread, between 0 and 1; 0 = 0.8")
	f.Float64Var(&p.Allowed, "allowed", 0, "docs, social, nested: share of the questions that are allowed; 0 = 0.3")
}
