//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const operations = "../../docs/operations.md"

// blocks returns the code blocks of a language in a page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

// eachFlag visits the flags of cmd and of the commands below it.
func eachFlag(cmd *cobra.Command, visit func(*pflag.Flag)) {
	cmd.Flags().VisitAll(visit)
	for _, below := range cmd.Commands() {
		eachFlag(below, visit)
	}
}

var (
	flagWord     = regexp.MustCompile("[` ]--([a-z][a-z-]+)")
	variableWord = regexp.MustCompile(`\bPEMBA_[A-Z_]+\b`)
	metricWord   = regexp.MustCompile(`\bpemba_[a-z_]+\b`)
)

func TestOperations_FlagsAndVariablesAreThere(t *testing.T) {
	flags, variables := map[string]bool{"help": true}, map[string]bool{}
	eachFlag(newRoot(&app{}), func(f *pflag.Flag) {
		flags[f.Name] = true
		if strings.Contains(f.Usage, "[$"+envName(f.Name)+"]") {
			variables[envName(f.Name)] = true
		}
	})
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range flagWord.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !flags[name] {
			t.Errorf("there is no --%s", name)
		}
	}
	for _, name := range variableWord.FindAllString(string(text), -1) {
		if !variables[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestOperations_MetricsAreThere(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue("server", 2)
	s := startServe(t, "--tls-cert", cert, "--tls-key", key)
	s.client("--tls-ca", ca.file)
	_, served := s.get(t, "/metrics")
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metricWord.FindAllString(string(text), -1) {
		if !strings.Contains(served, "# TYPE "+name+" ") {
			t.Errorf("there is no %s", name)
		}
	}
}

// container is what the page's StatefulSet says about a container.
type container struct {
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Args []string `yaml:"args"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

// TestOperations_YAMLIsYAML reads the page's YAML, and starts as much of the
// container as needs no files.
func TestOperations_YAMLIsYAML(t *testing.T) {
	var args []string
	for _, block := range blocks(t, operations, "yaml") {
		for decoder := yaml.NewDecoder(strings.NewReader(block)); ; {
			var node yaml.Node
			err := decoder.Decode(&node)
			if errors.Is(err, io.EOF) {
				break
			}
			var c container
			if err == nil {
				err = node.Decode(&map[string]any{}) // refuses a key that stands twice
			}
			if err == nil {
				err = node.Decode(&c)
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, block)
			}
			for _, each := range c.Spec.Template.Spec.Containers {
				args = append(args, each.Args...)
			}
		}
	}
	if !slices.Contains(args, "serve") {
		t.Fatalf("no container serves: %q", args)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD_NAME)", "pemba-0")
	}
	checkServes(t, args)
}

// checkServes wants args to be accepted up to the files that they name.
func checkServes(t *testing.T, args []string) {
	t.Helper()
	var said bytes.Buffer
	if status := run(append(args, "--data-dir", t.TempDir()), strings.NewReader(""), &said, &said); status != exitError || !strings.Contains(said.String(), "no such file") {
		t.Errorf("%q: status %d, %s", args, status, &said)
	}
}

// TestOperations_EnvironmentIsAccepted runs serve with the variables of the
// page's unit.
func TestOperations_EnvironmentIsAccepted(t *testing.T) {
	for _, block := range blocks(t, operations, "sh") {
		for line := range strings.Lines(block) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				t.Setenv(name, value)
			}
		}
	}
	checkServes(t, []string{"serve"})
}
