//go:build unix

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const iamPageOfDocs = "../../docs/iam.md"

func guard(iam iamv1.AccessServiceClient, permission string, where func(*http.Request) []*iamv1.Resource, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			http.Error(w, "send an IAM token", http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		answer, err := iam.Authorize(ctx, &iamv1.AuthorizeRequest{
			Identity:     &iamv1.AuthorizeRequest_IamToken{IamToken: token},
			Permission:   permission,
			ResourcePath: where(r),
		})
		switch {
		case status.Code(err) == codes.Unauthenticated && !isAboutMe(err):
			http.Error(w, status.Convert(err).Message(), http.StatusUnauthorized)
		case err != nil:
			http.Error(w, "access cannot be decided now", http.StatusServiceUnavailable)
		case answer.GetDecision() != pb.Decision_DECISION_ALLOWED:
			http.Error(w, "you may not do this", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isAboutMe reports whether the server does not know this service itself.
func isAboutMe(err error) bool {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && (info.Reason == "NO_KEY" || info.Reason == "WRONG_KEY") {
			return true
		}
	}
	return false
}

// TestIAMDocs_TheirCodeIsTested holds the page's code to what is compiled and run
// here and in the module that tests the SDK.
func TestIAMDocs_TheirCodeIsTested(t *testing.T) {
	var compiled strings.Builder
	for _, file := range []string{"iamdocs_test.go", "../../api/iam/sdktest/example_test.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled.Write(source)
	}
	code := blocks(t, iamPageOfDocs, "go")
	if len(code) != 2 {
		t.Errorf("%d blocks of Go, want 2", len(code))
	}
	for _, block := range code {
		if !strings.Contains(compiled.String(), block) {
			t.Errorf("this is nowhere compiled:\n%s", block)
		}
	}
}

func TestIAMDocs_FlagsAndVariablesAreThere(t *testing.T) {
	flags, usages := map[string]bool{"help": true}, ""
	eachFlag(newRoot(&app{}), func(f *pflag.Flag) {
		flags[f.Name] = true
		usages += f.Usage + "\n"
	})
	text, err := os.ReadFile(iamPageOfDocs)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range flagWord.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !flags[name] {
			t.Errorf("there is no --%s", name)
		}
	}
	for _, name := range variableWord.FindAllString(string(text), -1) {
		if !strings.Contains(usages, "$"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// A middleware stands before a server that wants keys.
func TestIAMDocs_MiddlewareGuards(t *testing.T) {
	s, dir := startLayer(t)
	owner := filepath.Join(dir, "owner.json")
	iamOutput(t, s, "init", "--key-file", owner, "--key", s.key)
	token := iamOutput(t, s, "token", "--iam-key-file", owner)
	cloud := strings.Fields(iamOutput(t, s, "cloud", "list", "--iam-key-file", owner))[4]
	for _, c := range []struct {
		name, key, header, kind string
		want                    int
	}{
		{"allowed", s.key, "Bearer " + token, "resource-manager.cloud", http.StatusOK},
		{"denied", s.key, "Bearer " + token, "compute.instance", http.StatusForbidden},
		{"no token", s.key, "", "resource-manager.cloud", http.StatusUnauthorized},
		{"bad token", s.key, "Bearer t1.x.y", "resource-manager.cloud", http.StatusUnauthorized},
		{"service without a key", "", "Bearer " + token, "resource-manager.cloud", http.StatusServiceUnavailable},
		{"service with a wrong key", "wrong", "Bearer " + token, "resource-manager.cloud", http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			where := func(*http.Request) []*iamv1.Resource { return []*iamv1.Resource{{Kind: c.kind, Id: cloud}} }
			done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "done") })
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			guard(accessClient(t, s.addr, c.key), "compute.instances.create", where, done).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

// layerServer is a server with the IAM layer that wants keys.
type layerServer struct {
	served
	key string
}

// startLayer starts one; its files are in the directory.
func startLayer(t *testing.T) (s layerServer, dir string) {
	t.Helper()
	dir = t.TempDir()
	master, keys := filepath.Join(dir, "master.key"), filepath.Join(dir, "keys.txt")
	_, text, _ := pemba("", "iam", "master-key")
	if err := os.WriteFile(master, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, key, _ := pemba("", "key", "new", "service", "--keys-file", keys)
	return layerServer{startServe(t, "--iam-master-key-file", master, "--keys-file", keys), strings.TrimSpace(key)}, dir
}

// iamOutput is what "pemba iam" prints, which has to succeed.
func iamOutput(t *testing.T, s layerServer, args ...string) string {
	t.Helper()
	status, out, said := pemba("", append(append([]string{"iam"}, args...), "--addr", s.addr)...)
	if status != 0 {
		t.Fatalf("pemba iam %s: %s", strings.Join(args, " "), said)
	}
	return strings.TrimSpace(out)
}

// accessClient shows a key of the server, "" = none.
func accessClient(t *testing.T, addr, key string) iamv1.AccessServiceClient {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if key != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(key)))
	}
	conn, err := grpc.NewClient(addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return iamv1.NewAccessServiceClient(conn)
}
