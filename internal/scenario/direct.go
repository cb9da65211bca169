package scenario

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const tenant = "default"

// Direct runs on a bare store. How it asks is the field that tells its uses
// apart: the graph alone, a checker, a restored store.
type Direct struct {
	Ask func(g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error)
	// Restored asks every question of a new store that is restored from a
	// snapshot of the written one.
	Restored bool

	store  *store.Store
	graphs map[string]*graph.Graph // by source
	now    int64
}

// NewDirect returns an engine without a schema.
func NewDirect() *Direct {
	d := &Direct{store: store.New(store.Options{}), graphs: map[string]*graph.Graph{}, now: Begin.UnixNano()}
	d.Ask = func(g *graph.Graph, v store.View, q *graph.Question) (graph.Answer, error) {
		return g.Check(context.Background(), v, q)
	}
	_, err := d.apply(store.Command{Kind: store.KindInit, ClusterID: "scenario", ClusterSecret: make([]byte, 32), Tenant: tenant})
	if err != nil {
		panic(err)
	}
	return d
}

// SetTime sets the clock.
func (d *Direct) SetTime(now int64) { d.now = now }

func (d *Direct) apply(c store.Command) (string, error) {
	c.Tenant, c.Time = tenant, d.now
	rev := d.store.Revision() + 1
	e := store.Entry{Commands: []store.Command{c}}
	if err := c.Validate(); err != nil {
		return "", err
	}
	if err := d.store.Apply(rev, e.Append(nil))[0].Err(); err != nil {
		return "", err
	}
	return strconv.FormatUint(rev, 10), nil
}

// view returns a view and the graph of the schema that is in force there.
func (d *Direct) view(at string) (store.View, *graph.Graph, error) {
	rev := uint64(0)
	if at != "" {
		rev, _ = strconv.ParseUint(at, 10, 64)
	}
	s, err := d.readable()
	if err != nil {
		return store.View{}, nil, err
	}
	v, err := s.View(tenant, rev)
	if err != nil {
		return v, nil, err
	}
	source, _, ok := v.Record(store.SchemaRecord)
	if !ok {
		return v, nil, fmt.Errorf("there is no schema")
	}
	if g := d.graphs[string(source)]; g != nil {
		return v, g, nil
	}
	g, _, err := compile(string(source), v.Symbols())
	d.graphs[string(source)] = g
	return v, g, err
}

// readable returns the store to ask.
func (d *Direct) readable() (*store.Store, error) {
	if !d.Restored {
		return d.store, nil
	}
	var file bytes.Buffer
	if _, err := d.store.Capture().WriteTo(&file); err != nil {
		return nil, err
	}
	clear(d.graphs) // the new store has symbols of its own
	s := store.New(store.Options{})
	return s, s.Restore(&file)
}

func compile(source string, y *store.Symbols) (*graph.Graph, []graph.Warning, error) {
	s, err := graph.Parse(source)
	if err != nil {
		return nil, nil, err
	}
	warnings, err := graph.Validate(s)
	if err != nil {
		return nil, nil, err
	}
	g, err := graph.Compile(s, y)
	if err == nil {
		g.SetOrder(graph.Fixed) // because scenarios tell what answers cost
	}
	return g, warnings, err
}

// Schema writes the schema.
func (d *Direct) Schema(source string, unchecked bool) (string, []string, error) {
	g, warnings, err := compile(source, d.store.Symbols())
	if err != nil {
		return "", nil, err
	}
	c := store.Command{Kind: store.KindWrite, Records: []store.RecordUpdate{{Key: store.SchemaRecord, Value: []byte(source)}}}
	if _, old, err := d.view(""); err == nil && !unchecked {
		c.Empty = old.Removed(g)
	}
	var texts []string
	for _, w := range warnings {
		texts = append(texts, "warning: "+w.String())
	}
	at, err := d.apply(c)
	return at, texts, err
}

// Write changes tuples that the schema allows.
func (d *Direct) Write(updates []store.Update, pre []store.Precondition, since []string) (string, error) {
	_, g, err := d.view("")
	if err != nil {
		return "", err
	}
	for _, u := range updates {
		if u.Op == store.OpDelete {
			continue
		}
		if err := g.CheckTuple(u.Tuple); err != nil {
			return "", err
		}
	}
	for i := range pre {
		pre[i].Since, _ = strconv.ParseUint(since[i], 10, 64)
	}
	return d.apply(store.Command{Kind: store.KindWrite, Updates: updates, Preconditions: pre})
}

// Check asks one question at the later of the clock and the newest write's time.
func (d *Direct) Check(at string, q graph.Question) (graph.Answer, error) {
	v, g, err := d.view(at)
	if err != nil {
		return graph.Answer{}, err
	}
	q.Now = max(d.now, v.Time())
	return d.Ask(g, v, &q)
}

// Read returns the tuples that have not expired.
func (d *Direct) Read(at string, f tuple.Filter) ([]tuple.Tuple, error) {
	v, _, err := d.view(at)
	if err != nil {
		return nil, err
	}
	var out []tuple.Tuple
	for t := range v.Tuples(f) {
		if t.Expires == 0 || max(d.now, v.Time()) < t.Expires {
			out = append(out, t)
		}
	}
	return out, nil
}
