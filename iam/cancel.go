package iam

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
)

// CancelOperation makes a folder or cloud that waits to be deleted what it was,
// and ends all operations that were to delete it. Whoever may delete it may do that;
// nothing else can be canceled. It returns the operation of that id.
func (s *Service) CancelOperation(ctx context.Context, call *Call, id string) (*Operation, error) {
	for range maxTries {
		c, err := s.begin(ctx, call)
		if err != nil {
			return nil, err
		}
		op, err := c.cancel(id)
		if err != nil {
			return nil, err
		}
		if op.Token, err = s.layer.Commit(ctx, c.by(), c.write); !isConflict(err) {
			return op, err
		}
	}
	return nil, &Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "the operation keeps changing", Fix: "try again shortly"}
}

func (c *change) cancel(id string) (*Operation, error) {
	var op Operation
	found, err := load(c.view, operationKey(id), &op)
	if err != nil || !found {
		return nil, orElse(err, noOperation(id))
	}
	if op.Done {
		return nil, precondition("OPERATION_DONE", "the operation is done", "it cannot be canceled any more")
	}
	d := deletion{Resource: op.Resource}
	if found, err := c.load(d.key(), &d); err != nil || !found {
		return nil, orElse(err, precondition("OPERATION_RUNS", "the operation cannot be canceled", "wait for it"))
	}
	if err := c.revive(op.Resource); err != nil {
		return nil, err
	}
	if err := c.end(&d, true); err != nil {
		return nil, err
	}
	op.Done, op.Canceled, op.ModifiedAt = true, true, c.view.Time
	return &op, nil
}

// orElse is err, or else what is wrong without one.
func orElse(err error, e *Error) error {
	if err != nil {
		return err
	}
	return e
}

// revive makes a folder or cloud active that waits to be deleted.
func (c *change) revive(r Resource) error {
	status := Active
	switch r.Kind {
	case FolderKind:
		f, err := c.folder(r.ID, "resource-manager.folders.delete")
		if err != nil {
			return err
		}
		status, f.Status, f.DeleteAfter = f.Status, Active, 0
		c.put(folderKey(r.ID), f)
	case CloudKind:
		cloud, err := c.cloud(r.ID, "resource-manager.clouds.delete")
		if err != nil {
			return err
		}
		status, cloud.Status, cloud.DeleteAfter = cloud.Status, Active, 0
		c.put(cloudKey(r.ID), cloud)
	}
	if status != PendingDeletion {
		return precondition("OPERATION_RUNS", "the deletion has begun", "wait for it")
	}
	return nil
}
