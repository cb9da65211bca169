package store

import "fmt"

// Code is how a command ended.
type Code uint8

const (
	OK                    Code = iota
	CodeInvalid                // Validate failed, or Init came twice
	CodeTenantUnknown          //
	CodeTenantExists           //
	CodeTenantIncarnation      // the tenant was deleted and created again
	CodeAlreadyExists          // update Index creates a tuple that is there
	CodePrecondition           // precondition Index does not hold
	CodeSchemaChanged          // SchemaRevision is not the schema's revision any more
	CodeShapeInUse             // tuples of Empty[Index] are stored
	CodeRequestReused          // the request id came with another body before
	CodeRequestTooOld          // the request id is older than the window
	CodeHorizon                // Since of precondition Index lies below the horizon
	CodeExhausted              // a numbered space of the store is full
)

var codeText = [...]string{
	OK:                    "ok",
	CodeInvalid:           "invalid command",
	CodeTenantUnknown:     "no such tenant",
	CodeTenantExists:      "tenant exists",
	CodeTenantIncarnation: "the tenant was deleted and created again",
	CodeAlreadyExists:     "tuple exists",
	CodePrecondition:      "precondition does not hold",
	CodeSchemaChanged:     "the schema changed meanwhile",
	CodeShapeInUse:        "tuples are stored that the new schema does not allow",
	CodeRequestReused:     "request id was used with another body",
	CodeRequestTooOld:     "request id is too old",
	CodeHorizon:           "precondition looks back past the horizon",
	CodeExhausted:         "out of ids",
}

func (c Code) String() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Outcome is how one command ended: the same on every replica.
type Outcome struct {
	Code     Code
	Revision uint64 // where it took effect or failed; for a replay the first time's
	Index    int    // the update, precondition or shape that Code speaks of
	Detail   string // what stood in the way, for people
	Replayed bool   // answered from a kept request id; not itself kept
}

// Err returns nil for OK and an *OutcomeError otherwise.
func (o Outcome) Err() error {
	if o.Code == OK {
		return nil
	}
	return &OutcomeError{o}
}

// OutcomeError is an Outcome that is not OK, as an error.
type OutcomeError struct{ Outcome Outcome }

func (e *OutcomeError) Error() string {
	if e.Outcome.Detail == "" {
		return e.Outcome.Code.String()
	}
	return e.Outcome.Code.String() + ": " + e.Outcome.Detail
}
