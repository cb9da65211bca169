package graph

// level is where a value stands in the chain
// denied < conditional < failed < allowed: union is the maximum, intersection
// the minimum, and "not" swaps the ends and keeps the middle.
type level uint8

const (
	denied level = iota
	conditional
	failed
	allowed
	aborted // no value: the walk was given up and unwinds
)

// value is what is known of a subject set and a part of the graph.
type value struct {
	level level
	cause uint16 // failed: index of walk.causes
	open  uint64 // conditional: the missing names, bits of walk.names
	limit bool   // failed: by a limit; conditional: beside a branch that a limit has failed
}

// or returns the union of two values. Two open ones stay open for the names of
// both; of two errors the first is told.
func or(a, b value) value {
	if a.level == b.level {
		a.open, a.limit = a.open|b.open, a.limit || b.limit
		return a
	}
	if b.level > a.level {
		return b
	}
	return a
}

// and returns the intersection of two values; aborted wins over all.
func and(a, b value) value {
	switch {
	case a.level == aborted || b.level == aborted:
		return value{level: aborted}
	case a.level == b.level:
		a.open |= b.open
	case b.level < a.level:
		a, b = b, a
	}
	// Conditional stands below failed, yet a limit must be told: without it
	// the branch might have been denied, whatever the missing names are.
	if a.level == conditional || a.level == failed {
		a.limit = a.limit || b.limit
	}
	return a
}

func not(a value) value {
	switch a.level {
	case denied:
		a.level = allowed
	case allowed:
		a.level = denied
	}
	return a
}

// roseTo reports whether b is more than a.
func (a value) roseTo(b value) bool {
	return b.level > a.level || b.level == conditional && a.level == conditional && (b.open&^a.open != 0 || b.limit && !a.limit)
}

// isSettled reports whether a union can stop at a.
func (a value) isSettled() bool { return a.level >= allowed }
