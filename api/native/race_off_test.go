//go:build !race

package native

const racing = false
