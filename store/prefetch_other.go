//go:build !amd64 && !arm64

package store

import "unsafe"

// prefetch does nothing where it is not known how to.
func prefetch(unsafe.Pointer) {}
