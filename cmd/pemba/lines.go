package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// maxLine bounds one line of input.
const maxLine = 1 << 20

// input is one thing that a user gives, and where.
type input struct {
	text string
	file string // "" = the command line or standard input
	line int    // 0 = an argument
}

// place says where the input is, in an error: a line, or the argument itself.
func (i input) place() string {
	switch {
	case i.line == 0:
		return strconv.QuoteToGraphic(i.text)
	case i.file == "":
		return fmt.Sprintf("line %d", i.line)
	}
	return fmt.Sprintf("%s:%d", i.file, i.line)
}

// wrong says where err is, if that is more than err itself says.
func (i input) wrong(err error) error {
	if err == nil || i.line == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", i.place(), err)
}

// lines yields the lines of r without blanks around them, blank lines and
// comments ("//"). It ends when ctx does, even while r waits for input.
func lines(ctx context.Context, r io.Reader) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		read := make(chan input)
		failed := make(chan error, 1)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			failed <- readLines(r, "", func(line input) bool {
				select {
				case read <- line:
					return true
				case <-stop:
					return false
				}
			})
			close(read)
		}()
		for {
			select {
			case line, ok := <-read:
				if !ok {
					if err := <-failed; err != nil {
						yield(input{}, err)
					}
					return
				}
				if !yield(line, nil) {
					return
				}
			case <-ctx.Done():
				yield(input{}, ctx.Err())
				return
			}
		}
	}
}

// readLines visits lines until r ends or visit returns false. A file's name
// stands before what is wrong, "" = standard input.
func readLines(r io.Reader, file string, visit func(input) bool) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		text := strings.TrimSpace(scanner.Text())
		if text == "" || strings.HasPrefix(text, "//") {
			continue
		}
		if !visit(input{text: text, file: file, line: n}) {
			return nil
		}
	}
	err := scanner.Err()
	at := input{file: file, line: n + 1}
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%s is too long: a line has at most %s", at.place(), bytesText(maxLine))
	case err != nil && file == "":
		return fmt.Errorf("read standard input, line %d: %w", at.line, err)
	case err != nil:
		return fmt.Errorf("read %s: %w", at.place(), rootCause(err))
	}
	return nil
}
