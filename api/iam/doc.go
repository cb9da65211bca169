// Package iam is the front door of the IAM layer: the vendor's public gRPC API,
// and our own beside it. It translates requests, answers and errors and decides
// nothing; the layer itself, package iam of the module, is called core here.
package iam
