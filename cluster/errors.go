package cluster

import (
	"errors"
	"fmt"
)

// How a proposal ends without an outcome: errors.Is with exactly one of the
// first two holds for every error of Propose.
var (
	// ErrNotProposed: the command did not happen and never will.
	ErrNotProposed = errors.New("not proposed")
	// ErrUnknownOutcome: the command may have happened, or may still happen.
	// Proposing it again under the same request id is safe.
	ErrUnknownOutcome = errors.New("outcome unknown")
)

// Why; wrapped beside one of the above, or returned by reads.
var (
	ErrNotLeader  = errors.New("this node is not the leader")
	ErrOverloaded = errors.New("too many commands wait to be proposed")
	ErrTooLarge   = errors.New("the command is too large")
	ErrDiskFull   = errors.New("the disk is almost full")
	ErrFuture     = errors.New("the revision is beyond what the cluster has committed")
	ErrClosed     = errors.New("the node is closed")
	ErrFailed     = errors.New("the node has failed")
	ErrLevel      = errors.New("not every member of the cluster can do this yet; update them all")
	ErrRemoved    = errors.New("this node was removed from its cluster")
	// ErrOtherCluster: what a member was told to join is another cluster.
	ErrOtherCluster = errors.New("this node belongs to another cluster than the one to join")
)

// When a node is opened.
var (
	ErrLocked       = errors.New("the data dir is in use by another process")
	ErrForeignDir   = errors.New("the data dir belongs to another node")
	ErrIncompatible = errors.New("the data dir was written by another version")
)

// CorruptError says that a file of the data dir cannot be trusted. The node
// does not start, so that an acknowledged write is never silently lost.
type CorruptError struct {
	File string
	Err  error
	Fix  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt: %v; %s", e.File, e.Err, e.Fix)
}

func (e *CorruptError) Unwrap() error { return e.Err }

const corruptFix = "restore the data dir from a backup, or, where other members hold the data, remove this node, empty the dir and join again"

func notProposed(why error) error { return fmt.Errorf("%w: %w", ErrNotProposed, why) }

func unknownOutcome(why error) error { return fmt.Errorf("%w: %w", ErrUnknownOutcome, why) }

// failedBy wraps the reason with which a node failed.
func failedBy(why error) error {
	if isDismissal(why) {
		return &dismissal{why}
	}
	return fmt.Errorf("%w: %w", ErrFailed, why)
}

// isDismissal reports whether a node ends with why although nothing is wrong
// with it: it is not wanted.
func isDismissal(why error) bool {
	return errors.Is(why, ErrRemoved) || errors.Is(why, ErrOtherCluster)
}

// dismissal is ErrFailed without its words.
type dismissal struct{ why error }

func (d *dismissal) Error() string   { return d.why.Error() }
func (d *dismissal) Unwrap() []error { return []error{ErrFailed, d.why} }
