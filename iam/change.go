package iam

import (
	"context"
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// maxTries is how often a change is decided anew because what it rests on changes.
const maxTries = 10

// change is one attempt at a change: what it read, what it will write, and what
// must still hold then. Its methods are used by one goroutine.
type change struct {
	ctx    context.Context
	s      *Service
	call   *Call
	view   *authz.LayerView
	caller *Caller
	op     *Operation
	write  authz.LayerWrite

	needed map[tuple.Key]bool // tuples that are required already
}

// change decides and commits a change. do is called for each attempt; it asks
// for permissions with require, collects what to write, and fills the operation.
func (s *Service) change(ctx context.Context, call *Call, kind, description string, do func(c *change) error) (*Operation, error) {
	var last error
	for range maxTries {
		c, err := s.begin(ctx, call)
		if err != nil {
			return nil, err
		}
		if done, err := c.repeated(); err != nil || done != nil {
			if done != nil {
				call.Seen = done.Token
			}
			return done, err
		}
		c.op = &Operation{
			ID: credential.NewID("aje"), Kind: kind, Description: description, Done: true,
			CreatedAt: c.view.Time, ModifiedAt: c.view.Time, CreatedBy: c.caller.Subject.ID,
		}
		if err := do(c); err != nil {
			return nil, err
		}
		c.record()
		c.op.Token, last = s.layer.Commit(ctx, c.by(), c.write)
		if last == nil {
			call.Seen = c.op.Token
			return c.op, nil
		}
		if !isConflict(last) {
			return nil, last
		}
	}
	return nil, &Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "what the change rests on keeps changing", Fix: "try again shortly", Err: last}
}

// begin reads the newest view and finds out who calls.
func (s *Service) begin(ctx context.Context, call *Call) (*change, error) {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return nil, err
	}
	caller, err := s.caller(v, call.Token)
	if err != nil {
		return nil, err
	}
	if caller.IsAnonymous() {
		return nil, unauthenticated("NO_TOKEN", "a change needs to know who makes it", "send an IAM token")
	}
	return &change{
		ctx: ctx, s: s, call: call, view: v, caller: caller, needed: map[tuple.Key]bool{},
		write: authz.LayerWrite{At: v, Require: append([]authz.Requirement(nil), caller.rests...)},
	}, nil
}

// as makes a change that nobody asked for that of a caller.
func (c *change) as(caller *Caller) *change {
	c.caller = caller
	return c
}

// by is the change's caller in the audit trail.
func (c *change) by() authz.Caller {
	name := c.caller.Subject.String()
	if c.caller.Impersonator != (Subject{}) {
		name += " impersonated by " + c.caller.Impersonator.String()
	}
	return authz.Caller{Name: name, Address: c.call.Address}
}

// require refuses a caller who lacks a permission, and makes the change hold
// only if he still has it when it commits.
func (c *change) require(permission string, on Resource) error {
	ok, err := c.has(permission, on)
	if err != nil {
		return err
	}
	if !ok {
		return denied(c.caller.Subject, permission, on)
	}
	return nil
}

// has is require for a permission or role that is not the only way. Only what
// allows is required of the commit.
func (c *change) has(name string, on Resource) (bool, error) {
	keys, ok, err := c.caller.witness(c.ctx, c.view, name, on)
	if err != nil || !ok {
		return false, err
	}
	c.mustAllStay(keys)
	return true, nil
}

// load reads a record that the change rests on: it must not change meanwhile,
// nor appear.
func (c *change) load(key string, out any) (bool, error) {
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: key})
	return load(c.view, key, out)
}

// put writes a record.
func (c *change) put(key string, v any) { c.putBytes(key, encode(v)) }

func (c *change) putBytes(key string, value []byte) {
	c.write.Records = append(c.write.Records, authz.RecordUpdate{Key: key, Value: value})
}

// drop deletes a record.
func (c *change) drop(key string) {
	c.write.Records = append(c.write.Records, authz.RecordUpdate{Key: key, Delete: true})
}

// add writes a tuple, which may be there.
func (c *change) add(t tuple.Tuple) {
	c.write.Updates = append(c.write.Updates, authz.Update{Op: authz.Touch, Tuple: t})
}

// remove deletes a tuple, which may not be there.
func (c *change) remove(t tuple.Tuple) {
	c.write.Updates = append(c.write.Updates, authz.Update{Op: authz.Delete, Tuple: t})
}

// claim gives a name in a scope to id, and refuses one that is taken.
func (c *change) claim(scope Resource, kind, name, id string) error {
	if name == "" {
		return nil
	}
	key := nameKey(scope, kind, name)
	if _, taken := c.view.Record(key); taken {
		return exists("name", name, fmt.Sprintf("another %s in %s has the name %q", kind, scope, name))
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordIs, Record: key})
	c.putBytes(key, []byte(id))
	return nil
}

// release is the contrary of claim.
func (c *change) release(scope Resource, kind, name string) {
	if name != "" {
		c.drop(nameKey(scope, kind, name))
	}
}

// rename moves id from one name to another in a scope.
func (c *change) rename(scope Resource, kind, from, to, id string) error {
	if from == to {
		return nil
	}
	c.release(scope, kind, from)
	return c.claim(scope, kind, to, id)
}

// repeated returns the operation of an earlier call with the same idempotency key.
func (c *change) repeated() (*Operation, error) {
	if c.call.Idempotency == "" {
		return nil, nil
	}
	var done idempotent
	found, err := c.load(c.idempotencyKey(), &done)
	if err != nil || !found {
		return nil, err
	}
	if done.Request != c.call.Request {
		return nil, &Error{Code: authz.Invalid, Reason: "IDEMPOTENCY_KEY_REUSED", Field: "idempotency-key", Value: c.call.Idempotency,
			Message: "the idempotency key came with another request before", Fix: "make a new key for each different request"}
	}
	var op Operation
	if found, err = load(c.view, operationKey(done.Operation), &op); err != nil {
		return nil, err
	} else if !found {
		return nil, broken("repeat a change", errors.New("its operation is gone"))
	}
	op.Token = c.view.Token
	return &op, nil
}

// at moves an error's field below a path of the request.
func at(path string, err error) error {
	var e *Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Field = path
	if e.Field != "" {
		moved.Field += "." + e.Field
	}
	return &moved
}
