// Package faulty has the bugs that the fault harness (internal/histories) must
// catch, and the faults of disk and network that only a seam can make. All of it
// exists under the build tag "faults" alone: without it every bug is a constant
// false, and the compiler leaves the seams out.
//
// PEMBA_FAULT names the bugs of a process, separated by commas. PEMBA_FAULT_DIR
// is a directory whose files ask for faults while they exist; see Control.
package faulty
