package authz

import (
	"errors"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
)

// CheckSchema says what keeps a text from being the layer's schema, nil =
// nothing. Who changes what the schema is made of, in a way that may not compile,
// asks before: a layer whose schema does not has no views any more. It takes as
// long as compiling does, half a second for a large one.
func (l *Layer) CheckSchema(text string) error {
	_, _, err := compile(text, maxLayerSchema, store.New(store.Options{}).Symbols())
	if err != nil {
		return schemaError(err)
	}
	return nil
}

// checkLayerUpdate is checkUpdate, but what has lost its relation or its type can
// be deleted: a layer's schema changes by other rules than those of Write.
func checkLayerUpdate(g *graph.Graph, u *Update) error {
	err := checkUpdate(g, u)
	var refused *graph.NotAllowedError
	if u.Op == Delete && errors.As(err, &refused) {
		return nil
	}
	return err
}
