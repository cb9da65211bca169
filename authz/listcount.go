package authz

import (
	"context"

	"github.com/pemba-authz/pemba/graph"
)

// ListCount says how many results a list has.
type ListCount struct {
	Results     int64 // all of them
	Conditional int64 // of them
	Excepted    int64 // of them: denied, beside a wildcard that is listed
	Undecided   int64 // of them: those with an Err
}

// Add counts r.
func (c *ListCount) Add(r *Listed) {
	c.Results++
	switch {
	case r.Err != nil:
		c.Undecided++
	case r.Decision == graph.Conditional:
		c.Conditional++
	case r.Decision == graph.Denied:
		c.Excepted++
	}
}

// Count counts the results that Each would yield, at the same view and within
// the same limits, without making ids of them. Past a limit there is an error
// and no number. Count takes the place of Each.
func (l *List) Count(ctx context.Context) (ListCount, error) {
	var c ListCount
	l.noIDs = true
	if err := l.Each(ctx, func(r Listed) bool { c.Add(&r); return true }); err != nil {
		return ListCount{}, err
	}
	return c, nil
}
