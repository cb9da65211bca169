package cluster

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/store"
)

// ownTenant holds what a cluster knows of itself. It is made when it is first
// needed: a node alone has none.
const ownTenant = "_pemba"

const (
	memberKey  = "member/"  // + node id: a record
	removedKey = "removed/" // + disk id: the node id, of a disk that may not come back
	levelKey   = "level"    // decimal; see clusterLevel
	markKey    = "mark"     // see marks
)

// record is what the cluster knows of a member, beside Raft's configuration.
type record struct {
	Disk    string `json:"disk"` // an id comes back with the same disk or not at all
	Addr    string `json:"addr"`
	Client  string `json:"client,omitempty"`
	Voter   bool   `json:"voter"` // what it is to be once it has caught up
	Level   int    `json:"level"`
	Removed bool   `json:"removed,omitempty"` // it is being removed
}

// value encodes r; nil = no record.
func (r *record) value() []byte {
	if r == nil {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, bools and ints
	}
	return text
}

// ownRecord returns a record of ownTenant, nil if there is none.
func (n *Node) ownRecord(key string) []byte {
	v, err := n.store.View(ownTenant, 0)
	if err != nil {
		return nil
	}
	value, _, _ := v.Record(key)
	return value
}

// memberRecord returns what is known of a member. It is up to date on a leader
// that holds office.
func (n *Node) memberRecord(id string) (record, bool, error) {
	value := n.ownRecord(memberKey + id)
	if value == nil {
		return record{}, false, nil
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return r, true, fmt.Errorf("record of member %s: %w", id, err)
	}
	return r, true, nil
}

// edit changes records of ownTenant, all or none.
type edit struct {
	node    *Node
	updates []store.RecordUpdate
	pre     []store.Precondition
}

// set makes the record called key be value, nil = gone. That it is what this
// leader sees now is a precondition.
func (e *edit) set(key string, value []byte) {
	e.pre = append(e.pre, store.Precondition{Kind: store.PreRecordEquals, Record: key, Value: e.node.ownRecord(key)})
	e.updates = append(e.updates, store.RecordUpdate{Key: key, Value: value, Delete: value == nil})
}

// commit proposes the edit. Only a leader can.
func (e *edit) commit() error {
	if len(e.updates) == 0 {
		return nil
	}
	if err := e.node.makeOwnTenant(); err != nil {
		return err
	}
	_, err := e.node.proposeHere(store.Command{
		Kind: store.KindWrite, Tenant: ownTenant, Actor: actor, Records: e.updates, Preconditions: e.pre,
	})
	return err
}

func (n *Node) makeOwnTenant() error {
	if _, ok := n.store.Tenant(ownTenant); ok {
		return nil
	}
	_, err := n.proposeHere(store.Command{Kind: store.KindCreateTenant, Tenant: ownTenant, Actor: actor})
	var refused *store.OutcomeError
	if errors.As(err, &refused) && refused.Outcome.Code == store.CodeTenantExists {
		return nil
	}
	return err
}

// setMember makes the record of a member be r, nil = gone.
func (n *Node) setMember(id string, r *record) error {
	e := edit{node: n}
	e.set(memberKey+id, r.value())
	return e.commit()
}
