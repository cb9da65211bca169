package cluster

import (
	"fmt"

	"github.com/pemba-authz/pemba/store"
)

// featureLevel is what this program can do. It grows with each command or
// encoding that an older program could not apply.
const featureLevel = 1

// levelOf returns the feature level that every member must have before a
// command of kind k may be in the log. A kind that is not listed is not
// proposed at all.
func levelOf(k store.Kind) int {
	switch k {
	case store.KindInit, store.KindWrite, store.KindCreateTenant, store.KindDeleteTenant, store.KindHorizon, store.KindIncarnation:
		return 1
	}
	return featureLevel + 1
}

// checkLevel says why no command of kind k may be proposed yet.
func (n *Node) checkLevel(k store.Kind) error {
	need := levelOf(k)
	if need <= 1 {
		return nil // every program can
	}
	if level := n.clusterLevel(); need > level {
		return fmt.Errorf("%w: commands of kind %d need feature level %d, the cluster has %d", ErrLevel, k, need, level)
	}
	return nil
}
