// Package telemetry measures and traces requests at the rim of the program: how
// many, how long, how they ended, and spans for a few of them. Nothing below the
// front doors knows it. What is off, a nil Meter or Tracer, costs a comparison.
package telemetry
