package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTests_DoNotSleep(t *testing.T) {
	for _, f := range goFiles(t) {
		// In a synctest bubble the clock is virtual and sleeping is the idiom.
		if !f.test || slices.Contains(f.imports(), "testing/synctest") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s: a test waits for what it needs and does not sleep", f.line(sel))
			}
			return true
		})
	}
}

// unwanted finds what belongs to one machine or one afternoon. The patterns are
// written so that this file does not match them.
var unwanted = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a marker of unfinished work", regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)},
	{"a path of one machine", regexp.MustCompile(`(^|["'\x60 =(])/(ro` + `ot|ho` + `me|wo` + `rk|Us` + `ers)/`)},
	{"a registry's host", regexp.MustCompile(`(proxy|sum)\.go` + `lang\.org|go` + `proxy\.|arti` + `factory|\bregi` + `stry\.\w+\.`)},
}

// texts are the kinds of files that people read.
var texts = []string{".go", ".md", ".proto", ".sh", ".yaml", ".yml", ".txt", ".zed"}

func TestText_HoldsNothingOfOneMachine(t *testing.T) {
	sources(t, func(file string) {
		base := path.Base(file)
		known := slices.Contains(texts, path.Ext(file)) || base == "Makefile" || file == ".ci/run"
		if !known || strings.HasSuffix(file, ".pb.go") {
			return
		}
		for i, line := range strings.Split(read(t, file), "\n") {
			for _, u := range unwanted {
				if u.pattern.MatchString(line) {
					t.Errorf("%s:%d: %s: %s", file, i+1, u.what, strings.TrimSpace(line))
				}
			}
		}
	})
}
