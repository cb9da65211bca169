//go:build !linux

package bench

import "time"

// preciseSleep returns the sleep that there is.
func preciseSleep() func(time.Duration) { return time.Sleep }
