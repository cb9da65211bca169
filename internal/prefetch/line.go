//go:build amd64 || arm64

// Package prefetch begins to read memory before it is needed.
package prefetch

import "unsafe"

// Line begins to read the line of memory at p, and does not wait for it as a load
// does in the end, which holds up all that comes after it. It decides nothing.
//
//go:noescape
func Line(p unsafe.Pointer)

// Lines is Line for all lines of n bytes from p on, one at least.
//
//go:noescape
func Lines(p unsafe.Pointer, n int)
