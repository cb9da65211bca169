package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const crashSchema = `definition user {}
definition doc { relation viewer: user }`

// TestCrash_LosesNothingAndAppliesNothingTwice kills a node with -9 again and
// again while writers are at work. After each restart every acknowledged write
// must be there; every write, sent again under its request id, must give its
// first outcome and change nothing. It kills three times, or for as long as
// PEMBA_SIM says; PEMBA_SEED repeats the moments of a run's kills.
func TestCrash_LosesNothingAndAppliesNothingTwice(t *testing.T) {
	seed, length := simulation(t)
	t.Logf("PEMBA_SEED=%d", seed)
	c := &crash{t: t, rand: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir()}
	c.start()
	c.writeSchema()
	end := time.Now().Add(length)
	for round := 0; round < 3 || time.Now().Before(end); round++ {
		c.killDuringWrites(round)
		c.start()
		c.repeatUnfinished()
		c.repeatAcknowledged()
		c.compare()
	}
	c.kill()
}

// simulation reads the seed, and how long a run lasts: 0 = the least.
func simulation(t *testing.T) (seed uint64, length time.Duration) {
	seed = uint64(time.Now().UnixNano())
	var err error
	if text := os.Getenv("PEMBA_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("PEMBA_SEED: %v", err)
		}
	}
	if text := os.Getenv("PEMBA_SIM"); text != "" {
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("PEMBA_SIM: %v", err)
		}
	}
	return seed, length
}

// crashWrite is a write of one tuple and what is known of it.
type crashWrite struct {
	id     string // request id
	remove bool
	doc    string
	done   bool
	token  string // of the acknowledgement
}

type crash struct {
	t    *testing.T
	rand *rand.Rand
	dir  string
	addr string // kept from the first start on

	cmd    *exec.Cmd
	conn   *grpc.ClientConn
	writes []*crashWrite // of all rounds, in the order in which each writer made them
}

// start starts the node on what the last one left, and waits until it is ready.
func (c *crash) start() {
	c.t.Helper()
	addrFile := filepath.Join(c.dir, "addr")
	if err := os.Remove(addrFile); err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	if c.addr == "" {
		c.addr = "127.0.0.1:0"
	}
	c.cmd = exec.Command("pemba", "serve", "--data-dir", filepath.Join(c.dir, "data"), "--grpc-addr", c.addr, "--addr-file", addrFile)
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.cmd.Process.Kill() })
	if c.addr, err = awaitFile(addrFile); err != nil {
		said, _ := os.ReadFile(log.Name())
		c.t.Fatalf("%v; it said:\n%s", err, said)
	}
	if c.conn, err = dialOne(c.addr, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		c.t.Fatal(err)
	}
}

// kill is kill -9.
func (c *crash) kill() {
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait()
	c.conn.Close()
}

func (c *crash) writeSchema() {
	c.t.Helper()
	_, err := pb.NewSchemaServiceClient(c.conn).WriteSchema(c.t.Context(), &pb.WriteSchemaRequest{Schema: crashSchema})
	if err != nil {
		c.t.Fatal(err)
	}
}

// killDuringWrites lets writers create documents and delete some of them again,
// until a random number of writes is acknowledged and the node is killed.
func (c *crash) killDuringWrites(round int) {
	const writers = 8
	acknowledged := make(chan struct{}, writers)
	stop := make(chan struct{})
	made := make([][]*crashWrite, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			made[w] = c.writeUntilKilled(fmt.Sprintf("r%d-w%d", round, w), acknowledged, stop)
		})
	}
	for range 50 + c.rand.IntN(300) {
		<-acknowledged
	}
	close(stop)
	c.kill()
	wg.Wait()
	for _, m := range made {
		c.writes = append(c.writes, m...)
	}
}

func (c *crash) writeUntilKilled(prefix string, acknowledged chan<- struct{}, stop <-chan struct{}) []*crashWrite {
	var writes []*crashWrite
	for n := 0; ; n++ {
		for _, remove := range []bool{false, true} {
			if remove && n%3 != 0 {
				continue
			}
			w := &crashWrite{id: uuid.Must(uuid.NewV7()).String(), remove: remove, doc: fmt.Sprintf("%s-%d", prefix, n)}
			writes = append(writes, w)
			if err := c.send(w); err != nil {
				return writes
			}
			select {
			case acknowledged <- struct{}{}:
			case <-stop:
			}
		}
	}
}

// send makes the write, or makes it again. A second acknowledgement must be the first one.
func (c *crash) send(w *crashWrite) error {
	update := &pb.Update{Operation: pb.Update_OPERATION_CREATE, Tuple: &pb.Tuple{
		Object: &pb.Object{Type: "doc", Id: w.doc}, Relation: "viewer", Subject: &pb.Subject{Type: "user", Id: "ann"},
	}}
	if w.remove {
		update.Operation = pb.Update_OPERATION_DELETE
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	reply, err := pb.NewTupleServiceClient(c.conn).Write(ctx, &pb.WriteRequest{Updates: []*pb.Update{update}, RequestId: w.id})
	if err != nil {
		if st, _ := statusOf(err); st.Code() == codes.AlreadyExists {
			c.t.Errorf("doc:%s: its creation was applied twice: %v", w.doc, err)
		}
		return err
	}
	if w.done && reply.GetToken() != w.token {
		c.t.Errorf("doc:%s: a repeated write has another token, so it was applied twice", w.doc)
	}
	w.done, w.token = true, reply.GetToken()
	return nil
}

// repeatUnfinished sends what was not acknowledged before the kill; it may have
// happened or not, now it has.
func (c *crash) repeatUnfinished() {
	c.t.Helper()
	for _, w := range c.writes {
		if !w.done {
			if err := c.send(w); err != nil {
				c.t.Fatalf("repeat %+v: %v", *w, err)
			}
		}
	}
}

// repeatAcknowledged sends some finished writes once more, creations of deleted
// documents among them: none may have an effect.
func (c *crash) repeatAcknowledged() {
	c.t.Helper()
	for range 50 {
		w := c.writes[c.rand.IntN(len(c.writes))]
		if err := c.send(w); err != nil {
			c.t.Fatalf("repeat %+v: %v", *w, err)
		}
	}
}

// compare reads all documents at the latest view.
func (c *crash) compare() {
	c.t.Helper()
	want := make(map[string]bool)
	for _, w := range c.writes {
		if w.remove {
			delete(want, w.doc)
		} else {
			want[w.doc] = true
		}
	}
	stream, err := pb.NewTupleServiceClient(c.conn).Read(c.t.Context(), &pb.ReadRequest{
		Filter: &pb.TupleFilter{Type: "doc"}, Consistency: latest(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	got := make(map[string]bool)
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range reply.GetTuples() {
			got[m.GetObject().GetId()] = true
		}
	}
	if !maps.Equal(got, want) {
		c.t.Errorf("of %d documents that must be there, %d are missing; %d are there that must not", len(want), without(want, got), without(got, want))
	}
}

// without counts the elements of a that b lacks.
func without(a, b map[string]bool) int {
	n := 0
	for e := range a {
		if !b[e] {
			n++
		}
	}
	return n
}
