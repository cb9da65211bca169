//go:build race

package iam

// racing says that the race detector is on, under which pools lose items at random.
const racing = true
