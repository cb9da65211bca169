package bench

import "slices"

// Op is what a load asks a server for.
type Op string

// The operations. Each echo takes and returns the bytes of the one behind it and
// does nothing in between: it shows what gRPC costs on that server.
const (
	Echo         Op = "echo"
	Check        Op = "check"
	BatchEcho    Op = "batch-echo"
	Batch        Op = "batch"
	StreamEcho   Op = "stream-echo"
	Stream       Op = "stream" // one stream for each caller, many checks in flight on it
	Merged       Op = "merged" // checks by package client, which sends those of several callers together
	ListObjects  Op = "list-objects"
	ListSubjects Op = "list-subjects"
	Write        Op = "write"
	Mixed        Op = "mixed" // the operations of a Mix, drawn at random
)

// Ops are all operations, in the order of the constants.
var Ops = []Op{Echo, Check, BatchEcho, Batch, StreamEcho, Stream, Merged, ListObjects, ListSubjects, Write, Mixed}

// Valid reports whether o is one of Ops.
func (o Op) Valid() bool { return slices.Contains(Ops, o) }

// Echo is the operation that moves the bytes of o and decides nothing, "" if
// there is none.
func (o Op) Echo() Op {
	switch o {
	case Check:
		return Echo
	case Batch:
		return BatchEcho
	case Stream:
		return StreamEcho
	}
	return ""
}

// Against is the operation that o is compared with: its echo, or what it does
// better than another; "" if there is none.
func (o Op) Against() Op {
	if o == Merged {
		return Check
	}
	return o.Echo()
}

// IsEcho reports whether o decides nothing.
func (o Op) IsEcho() bool { return o == Echo || o == BatchEcho || o == StreamEcho }

// streams reports whether a caller of o sends its requests on one stream.
func (o Op) streams() bool { return o == Stream || o == StreamEcho }

// defaultBatch is how many checks or tuples a request of o carries if the load
// does not say.
func (o Op) defaultBatch() int {
	if o == Batch || o == BatchEcho {
		return 100
	}
	return 1
}
