package iam

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
)

// read returns the view that a call asks for, and who calls.
func (s *Service) read(ctx context.Context, call *Call) (*authz.LayerView, *Caller, error) {
	at := call.consistency()
	v, err := s.view(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	// It is the caller who says how fresh the view has to be that shows whether he
	// still may: with an old token of his that must not be older than with none.
	if at.Level == authz.AtLeast {
		if _, err := s.layer.View(ctx, authz.Consistency{Level: authz.Any}); err != nil {
			return nil, nil, err
		}
	}
	return s.readAt(v, call)
}

func (s *Service) readAt(v *authz.LayerView, call *Call) (*authz.LayerView, *Caller, error) {
	call.Seen = v.Token
	caller, err := s.caller(v, call.Token)
	if err != nil {
		return nil, nil, err
	}
	if caller.IsAnonymous() {
		return nil, nil, unauthenticated("NO_TOKEN", "the call needs to know who makes it", "send an IAM token as \"authorization: Bearer TOKEN\"")
	}
	return v, caller, nil
}

// mustGet refuses whoever lacks the action, such as "get", on a resource; a
// resource that is not there is not found.
func (s *Service) mustGet(ctx context.Context, v *authz.LayerView, caller *Caller, on Resource, action string) error {
	permission, err := s.permissionOn(v, on, action)
	if err != nil {
		return err
	}
	return caller.must(ctx, v, permission, on)
}
