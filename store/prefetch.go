//go:build amd64 || arm64

package store

import "unsafe"

// prefetch begins to read the line of memory at p, and does not wait for it as a
// load does in the end, which holds up all that comes after it. It decides nothing.
//
//go:noescape
func prefetch(p unsafe.Pointer)
