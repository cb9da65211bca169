package main

import (
	"fmt"
	"io"
)

// listCount says how many results a list has, and how many of them are not
// simply allowed.
type listCount struct {
	Results     int64 `json:"count"`
	Conditional int64 `json:"conditional,omitempty"`
	Excepted    int64 `json:"excepted,omitempty"`
	Undecided   int64 `json:"undecided,omitempty"`
}

// counted is what the messages of both lists say of all results so far.
type counted interface {
	GetCount() int64
	GetConditionalCount() int64
	GetUndecidedCount() int64
}

// with returns the sum of c and what a message says.
func (c listCount) with(part counted) listCount {
	c.Results += part.GetCount()
	c.Conditional += part.GetConditionalCount()
	c.Undecided += part.GetUndecidedCount()
	if subjects, ok := part.(interface{ GetExceptedCount() int64 }); ok {
		c.Excepted += subjects.GetExceptedCount()
	}
	return c
}

// explain says how many of the results are not plain names in a list.
func (c listCount) explain(w io.Writer) {
	for _, part := range []struct {
		n    int64
		what string
	}{
		{c.Conditional, "conditional on context that was not given"},
		{c.Excepted, "excepted from the wildcard"},
		{c.Undecided, "undecided"},
	} {
		if part.n > 0 {
			fmt.Fprintf(w, "pemba: of these, %s: %d\n", part.what, part.n)
		}
	}
}
