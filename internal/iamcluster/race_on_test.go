//go:build race

package iamcluster

const underRace = true
