package lint

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reason looks like an error's reason: upper snake case with at least one "_".
var reason = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)

func TestReasons_AreDocumentedInTheProto(t *testing.T) {
	documented := read(t, "proto/pemba/v1/error.proto")
	for _, f := range goFiles(t) {
		if f.test || !within(f.dir, []string{"authz", "api/native"}) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(lit.Value)
			if reason.MatchString(text) && !strings.Contains(documented, text) {
				t.Errorf("%s: reason %s is not documented in error.proto", f.line(lit), text)
			}
			return true
		})
	}
}
