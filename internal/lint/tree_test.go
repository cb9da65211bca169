package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// module is the product's module path.
const module = "github.com/pemba-authz/pemba"

// otherModules are directories of modules of their own, whose code is not the product's.
var otherModules = []string{"bench/peers", "api/iam/sdktest"}

// A goFile is one parsed file of the product's module.
type goFile struct {
	path string // from the root, with slashes
	dir  string // the package's directory, "." for the root
	test bool   // *_test.go
	fset *token.FileSet
	ast  *ast.File
}

// imports returns the import paths of f.
func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, path)
	}
	return paths
}

// line returns where n begins, as path:line.
func (f goFile) line(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// within reports whether dir is one of dirs or below one of them.
func within(dir string, dirs []string) bool {
	for _, d := range dirs {
		if dir == d || strings.HasPrefix(dir, d+"/") {
			return true
		}
	}
	return false
}

// sources calls visit with the path of every file that belongs to the source:
// not what is built, hidden or test data.
func sources(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		hidden := strings.HasPrefix(d.Name(), ".") && rel != "." && rel != ".ci"
		if d.IsDir() && (hidden || rel == "bin" || rel == "tools" || d.Name() == "testdata" || d.Name() == "pemba-data") {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			visit(rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// goFiles parses every Go file of the product, generated ones left out.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	sources(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".pb.go") || within(path, otherModules) {
			return
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(root, path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, goFile{
			path: path,
			dir:  filepath.ToSlash(filepath.Dir(path)),
			test: strings.HasSuffix(path, "_test.go"),
			fset: fset,
			ast:  parsed,
		})
	})
	return files
}

// read returns the text of a source file.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
