// Package lint holds tests about the source itself: who imports whom, which
// words are used, and what must not be committed. The tables in its test files
// are the design's, so that a departure fails "make test".
package lint
