// Package iamcluster tests the IAM layer on three nodes in virtual time: what one
// node has done counts on the others, and what is withdrawn is honoured nowhere.
package iamcluster
