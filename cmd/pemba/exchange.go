package main

import (
	"errors"
	"io"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

var errEndedEarly = errors.New("the server ended the import before everything was durable")

// exchange sends the batches of the window, and then those of the source, while
// answers come in. It returns when everything is durable, when what was read
// before a mistake in the input is, or when the stream ends.
func (t *transfer) exchange(stream importStream, w *silence) error {
	in := receive(stream)
	w.begin(t.servers.timeout)
	for _, b := range t.window {
		sendBatch(stream, b)
	}
	closed := false
	for {
		switch {
		case t.source.wrong() != nil && len(t.window) == 0:
			return t.source.wrong()
		case t.source.ended && t.source.wrong() == nil && !closed:
			closed, t.closed = true, true
			_ = stream.CloseSend() // what is wrong with the stream, it says to the receiver
		}
		if len(t.window) > 0 || closed {
			w.begin(t.servers.timeout)
		} else {
			w.end() // it is the input's turn
		}
		select {
		case b, ok := <-t.wanted():
			if t.source.ended = !ok; ok {
				t.window = append(t.window, b)
				w.begin(t.servers.timeout)
				sendBatch(stream, b)
			}
		case reply, ok := <-in.replies:
			if ok {
				t.answered(reply)
			} else if t.complete {
				return nil
			} else {
				return w.error(t.servers.remote(in.wrong()))
			}
		}
	}
}

// wanted is where the next batch comes from, nil = none is wanted.
func (t *transfer) wanted() <-chan *importBatch {
	if t.source.ended || len(t.window) >= maxUnanswered {
		return nil
	}
	return t.source.batches
}

func (t *transfer) answered(reply *pb.ImportResponse) {
	if reply.GetToken() != "" {
		t.token = reply.GetToken()
	}
	t.settle(reply.GetDurableSequence())
	t.complete = reply.GetComplete()
}

// sendBatch leaves what is wrong with the stream to its receiver.
func sendBatch(stream importStream, b *importBatch) {
	batch := &pb.ImportBatch{Sequence: b.sequence, Tuples: b.tuples}
	_ = stream.Send(&pb.ImportRequest{Part: &pb.ImportRequest_Batch{Batch: batch}})
}

// importReplies are what a server answers; err is set before replies is closed.
type importReplies struct {
	replies chan *pb.ImportResponse
	err     error
}

// receive reads answers until the stream ends, in a goroutine of its own, which
// ends with the stream's context at the latest.
func receive(stream importStream) *importReplies {
	in := &importReplies{replies: make(chan *pb.ImportResponse, 2*maxUnanswered)}
	go func() {
		defer close(in.replies)
		for {
			reply, err := stream.Recv()
			if err != nil {
				in.err = err
				return
			}
			select {
			case in.replies <- reply:
			case <-stream.Context().Done():
			}
		}
	}()
	return in
}

// wrong is why there are no more answers, once replies is closed.
func (in *importReplies) wrong() error {
	if errors.Is(in.err, io.EOF) {
		return errEndedEarly
	}
	return in.err
}
