// Package gate measures what does not depend on the machine or the moment: reads,
// steps, allocations and, under a tool that counts them, instructions. Its
// benchmarks are what bench/compare compares two trees by, so they use only what
// these trees are likely to share.
package gate
