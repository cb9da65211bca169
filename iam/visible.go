package iam

import "context"

// get reads a resource's record for a caller who has the permission to get it.
func (s *Service) get(ctx context.Context, call *Call, field string, r Resource, key string, out any) error {
	if err := checkID(field, r.ID); err != nil {
		return err
	}
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return err
	}
	if err := s.mustGet(ctx, v, caller, r, "get"); err != nil {
		return err
	}
	if found, err := load(v, key, out); err != nil || !found {
		return orNotFound(err, r)
	}
	return nil
}

// visible returns a page of those on which the caller has a permission now, and
// the token of the next one. A page token counts what was looked at, not what was
// shown, so that a change of what the caller may see moves nothing.
func visible[T any](ctx context.Context, l *listing, permission string, all []T, resource func(T) Resource) ([]T, string, error) {
	var out []T
	for i := min(l.offset, len(all)); i < len(all); i++ {
		if len(out) == l.size {
			return out, l.s.pageToken(l.name, l.view.Revision(), uint64(i)), nil
		}
		ok, err := l.caller.allows(ctx, l.now, permission, resource(all[i]))
		if err != nil {
			return nil, "", err
		}
		if ok {
			out = append(out, all[i])
		}
	}
	return out, "", nil
}
