//go:build !race

package iamcluster

const underRace = false
