package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// maxLine bounds one line of input.
const maxLine = 1 << 20

// lines yields the lines of r without blanks around them, blank lines and
// comments ("//"). It ends when ctx does, even while r waits for input.
func lines(ctx context.Context, r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		read := make(chan string)
		failed := make(chan error, 1)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			failed <- readLines(r, read, stop)
			close(read)
		}()
		for {
			select {
			case text, ok := <-read:
				if !ok {
					if err := <-failed; err != nil {
						yield("", err)
					}
					return
				}
				if !yield(text, nil) {
					return
				}
			case <-ctx.Done():
				yield("", ctx.Err())
				return
			}
		}
	}
}

// readLines sends lines until r ends or nobody wants them.
func readLines(r io.Reader, to chan<- string, stop <-chan struct{}) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		text := strings.TrimSpace(scanner.Text())
		if text == "" || strings.HasPrefix(text, "//") {
			continue
		}
		select {
		case to <- text:
		case <-stop:
			return nil
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read standard input, line %d: %w", n+1, err)
	}
	return nil
}
