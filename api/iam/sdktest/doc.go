// Package sdktest drives a real pemba with the cloud vendor's own Go SDK, as its
// users do: nothing of the SDK is replaced but the address. It is a module of its
// own, so that the SDK stays out of the product's dependencies.
package sdktest
