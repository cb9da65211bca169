// Package histories runs the built program as a cluster of processes, lets
// clients work on all of its nodes while faults strike, and checks what the
// clients have seen against what the guarantees allow. See DESIGN.md.
package histories
