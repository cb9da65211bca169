package iam

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// Operation is one change that was made, as clients can look it up. It is done
// as soon as there is one, except for deletions that wait.
type Operation struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"` // such as "CreateServiceAccount"
	Description string `json:"description"`
	CreatedAt   int64  `json:"createdAt"` // Unix nanoseconds
	ModifiedAt  int64  `json:"modifiedAt"`
	CreatedBy   string `json:"createdBy"` // id of the subject
	Done        bool   `json:"done"`
	Canceled    bool   `json:"canceled,omitempty"` // done, but to no effect

	// Resource is what was changed. Parent is where it was made, where that matters.
	Resource Resource `json:"resource"`
	Parent   Resource `json:"parent,omitzero"`

	// One of these is the result, or none.
	Account      *Account       `json:"account,omitempty"`
	Folder       *Folder        `json:"folder,omitempty"`
	Cloud        *Cloud         `json:"cloud,omitempty"`
	Organization *Organization  `json:"organization,omitempty"`
	Group        *Group         `json:"group,omitempty"`
	User         *User          `json:"user,omitempty"`
	Key          *Key           `json:"key,omitempty"`
	Role         *Role          `json:"role,omitempty"`
	Deltas       []BindingDelta `json:"deltas,omitempty"`  // that had an effect
	Members      []MemberDelta  `json:"members,omitempty"` // that had an effect

	DeleteAfter int64 `json:"deleteAfter,omitempty"` // of a deletion that waits, Unix nanoseconds

	// Token is a consistency token of a view with the change. It is not stored.
	Token string `json:"-"`
}

const (
	operationLife   = 14 * 24 * time.Hour // that an operation can be looked up
	idempotencyLife = 24 * time.Hour      // that an idempotency key is known
)

// idempotent is what is known of an idempotency key.
type idempotent struct {
	Request   [32]byte `json:"request"`
	Operation string   `json:"operation"`
}

func (c *change) idempotencyKey() string {
	sum := sha256.Sum256([]byte(c.caller.Subject.String() + "\x00" + c.call.Idempotency))
	return "idempotency/" + hex.EncodeToString(sum[:])
}

// record adds the operation to what is written.
func (c *change) record() {
	op := c.op
	c.put(operationKey(op.ID), op)
	c.expire(operationKey(op.ID), operationLife)
	if op.Resource != (Resource{}) {
		c.add(tuple.Tuple{Object: tuple.Object{Type: operationType, ID: op.ID}, Relation: onRelation, Subject: op.Resource.subject()})
	}
	if c.call.Idempotency != "" {
		key := c.idempotencyKey()
		c.put(key, idempotent{c.call.Request, op.ID})
		c.expire(key, idempotencyLife)
	}
}

// expire files a record under the hour after which it may go. See janitor.go.
func (c *change) expire(key string, life time.Duration) {
	c.add(tuple.Tuple{Object: expiryBucket(c.view.Time + int64(life)), Relation: holdsRelation, Subject: tuple.Subject{Type: recordType, ID: key}})
}

// expiryBucket returns the object that holds what may go after an instant.
func expiryBucket(ns int64) tuple.Object {
	return tuple.Object{Type: expiryType, ID: fmt.Sprint(ns/int64(time.Hour) + 1)}
}

// Operation returns an operation to whoever may see what it changed, or made it.
func (s *Service) Operation(ctx context.Context, call *Call, id string) (*Operation, error) {
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	var op Operation
	found, err := load(v, operationKey(id), &op)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noOperation(id)
	}
	op.Token = v.Token
	if op.CreatedBy != caller.Subject.ID {
		if err := s.mustGet(ctx, v, caller, op.Resource, "listOperations"); err != nil {
			return nil, err
		}
	}
	return &op, nil
}

func noOperation(id string) *Error {
	return &Error{Code: authz.NotFound, Reason: "OPERATION_NOT_FOUND", Field: "operation_id", Value: id,
		Message: fmt.Sprintf("there is no operation %q", id), Fix: "operations can be looked up for 14 days"}
}

// Operations lists what was changed on a resource, newest first.
func (s *Service) Operations(ctx context.Context, call *Call, on Resource, p Page) ([]*Operation, string, error) {
	l, err := s.list(ctx, call, p, "operations "+on.String())
	if err != nil {
		return nil, "", err
	}
	if err := l.must(ctx, on, "listOperations"); err != nil {
		return nil, "", err
	}
	to := on.subject()
	var ids []string
	for t := range l.view.Tuples(tuple.Filter{Type: operationType, Relation: onRelation, SubjectType: to.Type, SubjectID: to.ID}) {
		ids = append(ids, t.Object.ID)
	}
	from, upTo, next := l.cut(len(ids))
	var out []*Operation
	for _, id := range ids[from:upTo] {
		var op Operation
		if found, err := load(l.view, operationKey(id), &op); err != nil {
			return nil, "", err
		} else if found {
			out = append(out, &op)
		}
	}
	return out, next, nil
}
