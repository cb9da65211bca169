package main

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) tupleWatchCommand() *cobra.Command {
	w := &watch{app: a}
	cmd := a.asking(&cobra.Command{
		Use:   "watch",
		Short: "Print changes of tuples as they happen",
		Long: `Print changes as they happen, revision by revision, in order and without a gap,
until Ctrl-C: "+ TUPLE" for a tuple that is new or has another caveat or expiry,
"- TUPLE" for one that is gone, "schema changed". A tuple that expires is no
change. With --tokens, "token TOKEN" follows each revision, and comes from time
to time without one: everything up to there has been printed.

The watch begins now, or with --from behind the revision of a token. When the
connection breaks it goes on by itself; when it ends, the token to go on from is
printed on standard error. --json prints one line a revision, with its token.`,
		Example: `  pemba tuple watch
  pemba tuple watch --from $(pemba tuple export --out all.tuples) --types doc,folder --json`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error { return w.run(ctx, s) })
	cmd.Flags().StringVar(&w.from, "from", "", "begin behind the revision of this `TOKEN`")
	cmd.Flags().StringSliceVar(&w.types, "types", nil, "only changes of objects of these `TYPES`, with commas between them")
	cmd.Flags().BoolVar(&w.tokens, "tokens", false, "print the token of each revision")
	return cmd
}

// watch prints revisions, each when all of it has come.
type watch struct {
	app    *app
	from   string
	types  []string
	tokens bool

	out     *bufio.Writer
	token   string            // everything up to here has been printed
	printed string            // the token that was printed last
	changes []*pb.TupleChange // of a revision that has come in part
	schema  bool
}

// longestQuiet is how long a server may say nothing: it sends tokens in between.
const longestQuiet = 30 * time.Second

func (w *watch) run(ctx context.Context, s *servers) error {
	w.out = bufio.NewWriter(w.app.out)
	f := &flow[pb.TupleServiceClient, pb.WatchRequest, pb.WatchResponse]{
		client: pb.NewTupleServiceClient, method: pb.TupleServiceClient.Watch,
		request: w.request, take: w.take,
		quiet: max(s.timeout, longestQuiet), lost: w.lost,
	}
	r := s.retry()
	r.endless = true
	for {
		if err := f.run(ctx, r); err != nil || ctx.Err() != nil {
			return w.end(err)
		}
		w.lost(nil) // a server does not end a watch, unless it stops
		if err := sleep(ctx, firstPause); err != nil {
			return w.end(err)
		}
	}
}

func (w *watch) request() *pb.WatchRequest {
	w.changes, w.schema = w.changes[:0], false // a revision that broke comes anew
	return &pb.WatchRequest{Tenant: w.app.tenant, From: w.from, ObjectTypes: w.types}
}

func (w *watch) lost(err error) {
	why := ""
	if err != nil {
		why = ": " + explain(err)
	}
	fmt.Fprintf(w.app.err, "pemba: the watch broke and goes on%s\n", why)
}

func (w *watch) take(reply *pb.WatchResponse) error {
	w.changes = append(w.changes, reply.GetChanges()...)
	w.schema = w.schema || reply.GetSchemaChanged()
	if reply.GetToken() == "" {
		return nil
	}
	err := w.print(reply.GetToken())
	w.changes, w.schema = w.changes[:0], false
	if err == nil {
		err = w.out.Flush()
	}
	w.from, w.token = reply.GetToken(), reply.GetToken()
	return err
}

// print prints the revision that has come.
func (w *watch) print(token string) error {
	empty := len(w.changes) == 0 && !w.schema
	if empty && token == w.printed {
		return nil
	}
	if w.app.json {
		w.printed = token
		return printJSON(w.out, jsonRevision(w.changes, w.schema, token))
	}
	if w.schema {
		w.out.WriteString("schema changed\n")
	}
	for _, c := range w.changes {
		sign := "+ "
		if c.GetOperation() == pb.TupleChange_OPERATION_DELETED {
			sign = "- "
		}
		w.out.WriteString(sign)
		w.out.WriteString(tupleFrom(c.GetTuple()).String())
		w.out.WriteByte('\n')
	}
	if w.tokens {
		w.printed = token
		w.out.WriteString("token " + token + "\n")
	}
	return nil
}

// end adds where to go on, unless nothing has come or the token cannot be used.
func (w *watch) end(err error) error {
	if w.token == "" || codeOf(err) != codes.OK && !broken(err) {
		return err
	}
	return &hinted{error: err, hint: "resume with --from " + w.token, always: true}
}

// revisionJSON is a revision as watch prints it with --json.
type revisionJSON struct {
	Changes []changeJSON `json:"changes,omitempty"`
	Schema  bool         `json:"schema_changed,omitempty"`
	Token   string       `json:"token"`
}

type changeJSON struct {
	Operation string    `json:"operation"` // touched or deleted
	Tuple     tupleJSON `json:"tuple"`
}

func jsonRevision(changes []*pb.TupleChange, schema bool, token string) revisionJSON {
	r := revisionJSON{Schema: schema, Token: token}
	for _, c := range changes {
		j := changeJSON{Operation: "touched", Tuple: jsonTuple(tupleFrom(c.GetTuple()))}
		if c.GetOperation() == pb.TupleChange_OPERATION_DELETED {
			j.Operation = "deleted"
		}
		r.Changes = append(r.Changes, j)
	}
	return r
}
