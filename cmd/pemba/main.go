// Command pemba is the server and its command line client.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitOK      = 0
	exitNo      = 1 // denied, conditional, or something that was to hold does not
	exitError   = 2 // wrong usage, bad input, or a server that does not answer
	exitFailed  = 3 // serve: the node can no longer go on
	exitSignals = 128
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit status. The first SIGINT
// or SIGTERM ends the command's context, the second the process.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	a := &app{in: stdin, out: stdout, err: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var sig signalError
	var hint *hinted
	errors.As(err, &hint)
	if err != nil && errors.As(context.Cause(ctx), &sig) {
		sayInterrupted(stderr, err)
		return exitSignals + int(sig.Signal)
	}
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(stderr, "pemba: "+explain(err))
	if hint != nil {
		fmt.Fprintln(stderr, hint.hint)
	}
	if errors.Is(err, errNodeFailed) {
		return exitFailed
	}
	return exitError
}

// sayInterrupted says what whoever ended a command has to know.
func sayInterrupted(stderr io.Writer, err error) {
	var doubt *doubtError
	if errors.As(err, &doubt) {
		fmt.Fprintln(stderr, "pemba: "+doubt.what)
	}
	var hint *hinted
	if errors.As(err, &hint) && hint.always {
		fmt.Fprintln(stderr, hint.hint)
	}
}

// exitStatus ends the process with a status; all there is to say has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// hinted is an error with a line of its own that says how to go on.
type hinted struct {
	error
	hint   string
	always bool // say it also when a signal ended the command
}

func (h *hinted) Unwrap() error { return h.error }

// signalError is the cause of a context that a signal has ended.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return e.Signal.String() }

func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals) // from here on a signal does what it does by default
			number, _ := sig.(syscall.Signal)
			cancel(signalError{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
