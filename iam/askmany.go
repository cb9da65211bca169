package iam

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/authz"
)

// Action is one of the questions of a BulkRequest.
type Action struct {
	Permission string
	Path       []Resource // leaf first
}

// BulkFilter says which results of a BulkRequest are wanted.
type BulkFilter uint8

// The filters.
const (
	AllResults  BulkFilter = iota
	FirstFailed            // the first that is not allowed, if any
	AllFailed              // those that are not allowed
)

// MaxActions is how many actions one BulkRequest may ask about.
const MaxActions = 1000

// BulkRequest asks about many actions of one caller, all at one view.
type BulkRequest struct {
	Token       string
	Subject     Subject
	Actions     []Action
	Permissions []string     // without Actions: each of them
	Paths       [][]Resource // on each of these
	Filter      BulkFilter
	Explain     bool
	Consistency authz.Consistency
}

// ActionResult is the answer to one action.
type ActionResult struct {
	Action      // with Explain its path goes on to the organization
	Index   int // of the action, or of the permission times the paths plus that of the path
	Allowed bool
	Binding *BindingAt // that allows, with Explain
}

// BulkAnswer has the results that were wanted, in the order of the actions, or of
// the permissions and for each of them of the paths.
type BulkAnswer struct {
	Caller  *Caller // shared: read only
	Results []ActionResult
	Token   string // consistency token of the view
}

// BulkAuthorize answers each action as Authorize does. An action that cannot be
// decided fails the whole request.
func (s *Service) BulkAuthorize(ctx context.Context, r *BulkRequest) (*BulkAnswer, error) {
	actions, field, err := r.actions()
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	caller, err := s.asker(v, r.Token, r.Subject)
	if err != nil {
		return nil, err
	}
	out := &BulkAnswer{Caller: caller, Token: v.Token}
	for i, a := range actions {
		result, err := s.answer(ctx, v, caller, a, r.Explain)
		if err != nil {
			return nil, at(fmt.Sprintf("%s[%d]", field, i), err)
		}
		if result.Allowed && r.Filter != AllResults {
			continue
		}
		result.Index = i
		out.Results = append(out.Results, result)
		if r.Filter == FirstFailed {
			break
		}
	}
	return out, nil
}

// actions returns the questions, and what they are called in errors.
func (r *BulkRequest) actions() (actions []Action, field string, err error) {
	matrix := len(r.Permissions) > 0 || len(r.Paths) > 0
	n := len(r.Actions)
	if matrix {
		if n > 0 {
			return nil, "", invalid("actions", "", "there are actions and a matrix", "send one of them")
		}
		if len(r.Permissions) > MaxActions || len(r.Paths) > MaxActions {
			n = MaxActions + 1
		} else {
			n = len(r.Permissions) * len(r.Paths)
		}
	}
	if n == 0 || n > MaxActions {
		return nil, "", invalid("actions", "", fmt.Sprintf("a request asks about 1 to %d actions", MaxActions), "split the request")
	}
	if !matrix {
		return r.Actions, "actions", nil
	}
	for _, p := range r.Permissions {
		for _, path := range r.Paths {
			actions = append(actions, Action{p, path})
		}
	}
	return actions, "matrix", nil
}

func (s *Service) answer(ctx context.Context, v *authz.LayerView, caller *Caller, a Action, why bool) (ActionResult, error) {
	out := ActionResult{Action: a}
	name, err := s.askable(v, a.Permission)
	if err != nil {
		return out, err
	}
	by, err := s.decide(ctx, v, caller, name, a.Path)
	if err != nil {
		return out, err
	}
	out.Allowed = by >= 0
	if why {
		out.Binding, out.Path, err = explain(ctx, v, caller, a.Permission, a.Path, by)
	}
	return out, err
}
