package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/endpoints"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// pemba is the binary under test.
var pemba string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pemba-sdktest-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if pemba = os.Getenv("PEMBA_BINARY"); pemba == "" {
		pemba = filepath.Join(dir, "pemba")
		build := exec.Command("go", "build", "-o", pemba, "./cmd/pemba")
		build.Dir, build.Stdout, build.Stderr = "../../..", os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build pemba:", err)
			return 1
		}
	}
	return m.Run()
}

// cloud is a running pemba with its first organization.
type cloud struct {
	addr    string
	keyFile string

	OrganizationID   string `json:"organization_id"`
	CloudID          string `json:"cloud_id"`
	FolderID         string `json:"folder_id"`
	ServiceAccountID string `json:"service_account_id"`
}

// start runs a server, which ends with the test, and founds an organization.
func start(t *testing.T) *cloud {
	t.Helper()
	dir := t.TempDir()
	c := &cloud{keyFile: filepath.Join(dir, "key.json")}
	master := filepath.Join(dir, "master.key")
	must(t, os.WriteFile(master, output(t, "iam", "master-key"), 0o600))
	addrFile := filepath.Join(dir, "addr")
	server := exec.Command(pemba, "serve", "--data-dir", filepath.Join(dir, "data"), "--grpc-addr", "127.0.0.1:0",
		"--addr-file", addrFile, "--iam-master-key-file", master)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	must(t, server.Start())
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Logf("the server said:\n%s", log.String())
		}
	})
	c.addr = await(t, addrFile, ended)
	must(t, json.Unmarshal(output(t, "iam", "init", "--addr", c.addr, "--key-file", c.keyFile, "--json"), c))
	return c
}

// await returns what a file holds once it is there.
func await(t *testing.T, name string, ended <-chan error) string {
	t.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			t.Fatalf("the server ended: %v", err)
		case <-late:
			t.Fatal("the server is not ready after 30 s")
		case <-tick.C:
			if text, err := os.ReadFile(name); err == nil {
				return strings.TrimSpace(string(text))
			}
		}
	}
}

func output(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(pemba, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pemba %s: %v: %s", strings.Join(args, " "), err, complaint.String())
	}
	return out
}

// sdk returns the vendor's SDK with some credentials.
func (c *cloud) sdk(t *testing.T, creds credentials.Credentials) *ycsdk.SDK {
	t.Helper()
	sdk, err := ycsdk.Build(t.Context(),
		options.WithCredentials(creds),
		options.WithPlaintext(),
		options.WithEndpointsResolver(endpoints.NewSingleEndpointResolver(c.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))),
	)
	must(t, err)
	t.Cleanup(func() { sdk.Shutdown(context.Background()) })
	return sdk
}

// owner returns the SDK with the key that init made.
func (c *cloud) owner(t *testing.T) *ycsdk.SDK {
	t.Helper()
	creds, err := credentials.ServiceAccountKeyFile(c.keyFile)
	must(t, err)
	return c.sdk(t, creds)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}
