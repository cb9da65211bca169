package iam

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// vendorFiles returns the definitions of the vendor's files that speak of access
// bindings, with their options. They are read from the source of the generated
// code, so that no package of it need be linked.
func vendorFiles(t *testing.T) []*descriptorpb.FileDescriptorProto {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yandex-cloud/go-genproto").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []*descriptorpb.FileDescriptorProto
	err = filepath.WalkDir(strings.TrimSpace(string(dir)), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pb.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), "AccessBindings") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if raw := rawDescriptor(t, parsed); raw != "" {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal([]byte(raw), file); err != nil {
				return err
			}
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// rawDescriptor returns the constant that holds a file's definition, "" = none.
func rawDescriptor(t *testing.T, file *ast.File) (raw string) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasSuffix(v.Names[0].Name, "_rawDesc") {
			raw = constant(t, v.Values[0])
		}
		return raw == ""
	})
	return raw
}

// constant evaluates a sum of literal texts.
func constant(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return constant(t, e.X) + constant(t, e.Y)
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	t.Fatalf("%T in a constant", e)
	return ""
}

// declaredOperation returns what a method declares of its operations.
func declaredOperation(m *descriptorpb.MethodDescriptorProto) *api.Operation {
	declared, _ := proto.GetExtension(m.GetOptions(), api.E_Operation).(*api.Operation)
	return declared
}
