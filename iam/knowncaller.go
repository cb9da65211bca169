package iam

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// Room for callers that are remembered.
const (
	callerSets = 1 << 12
	callerWays = 4
)

// callerKey is a token's claims, which stay the same ones while the token is
// remembered, or else a subject.
type callerKey struct {
	claims  *credential.Claims
	subject Subject
}

// knownCallers remembers callers, each with the records that decided who he is:
// while these are the same, by their memory, so is he. Nothing is forgotten but
// for want of room. Safe for concurrent use without a lock.
type knownCallers struct {
	seed maphash.Seed
	sets [callerSets]callerSet
	next atomic.Uint32 // which way is taken where all are
}

type callerSet [callerWays]atomic.Pointer[knownCaller]

// knownCaller is immutable but for when it was last found to hold.
type knownCaller struct {
	key    callerKey
	caller *Caller
	rests  []seenRecord // in the order of caller.rests

	moment atomic.Uint64 // at which the records were these, 0 = not known
}

// seenRecord is the value that a record had; it is kept from being collected, so
// no other value can be at its place.
type seenRecord struct {
	value []byte
	there bool
}

func (k *knownCallers) set(key callerKey) *callerSet {
	h := uint64(0)
	if key.claims != nil {
		h = maphash.Comparable(k.seed, key.claims)
	} else {
		h = maphash.String(k.seed, key.subject.ID)
	}
	return &k.sets[h%callerSets]
}

// find returns the caller, if what decided who he is holds at v.
func (k *knownCallers) find(v *authz.LayerView, key callerKey) *Caller {
	set := k.set(key)
	for i := range set {
		if known := set[i].Load(); known != nil && known.key == key {
			if known.holds(v) {
				return known.caller
			}
			return nil
		}
	}
	return nil
}

func (k *knownCaller) holds(v *authz.LayerView) bool {
	c := k.caller
	if c.until != 0 && c.until <= v.Time {
		return false
	}
	moment := v.Moment()
	if moment != 0 && moment == k.moment.Load() {
		return true
	}
	for i := range c.rests {
		value, there := v.Record(c.rests[i].Record)
		if seen := &k.rests[i]; there != seen.there || len(value) != len(seen.value) || unsafe.SliceData(value) != unsafe.SliceData(seen.value) {
			return false
		}
	}
	k.moment.Store(moment)
	return true
}

// keep remembers a caller, as he is at v.
func (k *knownCallers) keep(v *authz.LayerView, key callerKey, c *Caller) {
	known := &knownCaller{key: key, caller: c, rests: make([]seenRecord, len(c.rests))}
	for i := range c.rests {
		known.rests[i].value, known.rests[i].there = v.Record(c.rests[i].Record)
	}
	set := k.set(key)
	at := int(k.next.Add(1) % callerWays)
	for i := range set {
		if old := set[i].Load(); old == nil || old.key == key {
			at = i
			break
		}
	}
	set[at].Store(known)
}
