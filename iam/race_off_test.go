//go:build !race

package iam

const racing = false
