package bench

import (
	"runtime"
	"syscall"
	"time"
)

// preciseSleep returns a sleep for the calling goroutine, which keeps its thread
// from now on: the kernel wakes a thread within 0.1 ms, where Go's own timers are
// up to 1 ms late in a process that is mostly idle. A signal or the length of the
// wait may end it early.
func preciseSleep() func(time.Duration) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	const setTimerSlack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0)
	return func(d time.Duration) {
		// Not for long, so that the goroutine of a run that is cut off ends soon.
		ts := syscall.NsecToTimespec(int64(min(d, time.Second)))
		_ = syscall.Nanosleep(&ts, nil)
	}
}
