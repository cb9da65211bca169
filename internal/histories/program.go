//go:build linux

package histories

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// A program is a built pemba.
type program struct {
	path   string
	faulty bool // built with the tag "faults"
}

// builder builds each kind of program once.
type builder struct {
	mu    sync.Mutex
	dir   string // "" = nothing is built yet
	built map[bool]string
}

var builds builder

// build returns the program, with or without the seams for faults.
func (b *builder) build(faulty bool) (program, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if path := b.built[faulty]; path != "" {
		return program{path, faulty}, nil
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "pemba-histories-*")
		if err != nil {
			return program{}, err
		}
		b.dir, b.built = dir, map[bool]string{}
	}
	path := filepath.Join(b.dir, fmt.Sprintf("pemba-%v", faulty))
	args := []string{"build", "-ldflags", "-s -w", "-o", path} // linking takes half as long
	if faulty {
		args = append(args, "-tags", "faults")
	}
	cmd := exec.Command("go", append(args, "github.com/pemba-authz/pemba/cmd/pemba")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	b.built[faulty] = path
	return program{path, faulty}, nil
}

// remove deletes what was built.
func (b *builder) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		os.RemoveAll(b.dir)
		b.dir, b.built = "", nil
	}
}
