//go:build !amd64 && !arm64

// Package prefetch begins to read memory before it is needed.
package prefetch

import "unsafe"

// Line does nothing where it is not known how to.
func Line(unsafe.Pointer) {}

// Lines does nothing where it is not known how to.
func Lines(unsafe.Pointer, int) {}
