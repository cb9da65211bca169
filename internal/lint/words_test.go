package lint

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// drift maps a word that has crept into code bases of this field to the word of
// the glossary. Keys are in lower case and matched inside identifiers.
var drift = map[string]string{
	"zookie":        "token",
	"zedtoken":      "token",
	"snapshottoken": "token",
	"snaptoken":     "token",
	"namespace":     "type or tenant",
	"relationship":  "tuple",
	"reltuple":      "tuple",
	"principal":     "subject",
	"entitytype":    "type",
	"verdict":       "decision",
	"authzmodel":    "schema",
	"datastore":     "store",
	"tupletouser":   "arrow",
	"listresources": "list objects",
}

// foreign speaks other systems' words: adapters, and the reader of validation
// files in their published form.
var foreign = []string{"api/spicedb", "api/openfga", "api/authzen", "api/iam", "iam", "proto/pemba/iam", "examples", "internal/lint"}

func TestWords_IdentifiersKeepToTheGlossary(t *testing.T) {
	for _, f := range goFiles(t) {
		if within(f.dir, foreign) || strings.Contains(f.path, "validat") || strings.HasPrefix(f.path, "cmd/pemba/iam") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if word, better := drifted(id.Name); word != "" {
					t.Errorf("%s: %s: say %q instead of %q", f.line(id), id.Name, better, word)
				}
			}
			return true
		})
	}
}

// protoName finds the names that a line of a .proto file declares.
var protoName = regexp.MustCompile(`^\s*(?:message|enum|service|rpc|oneof|(?:repeated |optional )?[\w.]+)\s+(\w+)`)

func TestWords_ProtoNamesKeepToTheGlossary(t *testing.T) {
	sources(t, func(path string) {
		if !strings.HasSuffix(path, ".proto") || within(path, foreign) {
			return
		}
		for _, line := range strings.Split(read(t, path), "\n") {
			m := protoName.FindStringSubmatch(line)
			if m == nil || strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue
			}
			if word, better := drifted(strings.ReplaceAll(m[1], "_", "")); word != "" {
				t.Errorf("%s: %s: say %q instead of %q", path, m[1], better, word)
			}
		}
	})
}

func drifted(name string) (word, better string) {
	lower := strings.ToLower(name)
	for word, better := range drift {
		if strings.Contains(lower, word) {
			return word, better
		}
	}
	return "", ""
}
