package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// importOptions say how tuples are imported.
type importOptions struct {
	id     string
	resume bool
	batch  int
}

func (a *app) tupleImportCommand() *cobra.Command {
	o := &importOptions{}
	var cmd *cobra.Command
	cmd = a.asking(&cobra.Command{
		Use:   "import FILE",
		Short: "Write many tuples, resumable; print the token",
		Long: `Write the tuples of a file, or of standard input for "-": one a line, as text or
as "pemba tuple read --json" prints them; blank lines and lines that begin with
"//" are skipped. A tuple that is there already is replaced; if a file holds one
twice, the later line counts. The schema must be there.

The tuples are written in atomic batches, one after the other. The cluster keeps
how far an import has come under its id; the id of a file is made of its content and
name. An import that breaks goes on by itself while servers answer within
--timeout; one that ended goes on with --resume, behind the last batch that is
durable.`,
		Example: `  pemba tuple import all.tuples
  pemba tuple import all.tuples --resume
  generate | pemba tuple import - --id night-2024-05-01`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		return a.importTuples(ctx, s, cmd, args[0], o)
	})
	cmd.Flags().StringVar(&o.id, "id", "", "name of the import, to resume it by (default: from the file; none for standard input)")
	cmd.Flags().BoolVar(&o.resume, "resume", false, "go on behind the last durable batch of the import of that id")
	cmd.Flags().IntVar(&o.batch, "batch", defaultBatch, "tuples in one atomic write, 1 to 10,000")
	return cmd
}

func (a *app) importTuples(ctx context.Context, s *servers, cmd *cobra.Command, name string, o *importOptions) error {
	if err := checkBatch(o.batch); err != nil {
		return err
	}
	in, id, err := a.openImport(name)
	if err != nil {
		return err
	}
	if closer, ok := in.(io.Closer); ok && name != "-" {
		defer closer.Close()
	}
	given := o.id != ""
	if !given {
		o.id = id
	}
	if o.resume && o.id == "" {
		return errors.New("--resume needs the --id of the import that is to go on")
	}
	t := &transfer{app: a, servers: s, options: o, input: in, name: name, progress: a.progress("tuples")}
	err = t.run(ctx)
	t.progress.done(int64(t.durable))
	if err != nil {
		// The id of a file that is mended first is not that of the mended one.
		return t.failed(err, resumeCommand(cmd, name, o.id, given || !broken(err)))
	}
	if a.json {
		return printJSON(a.out, map[string]any{"tuples": t.durable, "token": t.token})
	}
	if t.token != "" {
		fmt.Fprintln(a.out, t.token)
	}
	return nil
}

// openImport opens a file, and makes the id by which its import is resumed. What
// can be read only once has none.
func (a *app) openImport(name string) (io.Reader, string, error) {
	if name == "-" {
		return a.in, "", nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", name, rootCause(err))
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return file, "", nil
	}
	sum := sha256.New()
	if _, err = io.Copy(sum, file); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, "", fmt.Errorf("read %s: %w", name, rootCause(err))
	}
	return file, hex.EncodeToString(sum.Sum(nil)[:8]) + "-" + cleanName(name), nil
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// cleanName is the last part of a file's name, as it may stand in an import's id.
func cleanName(file string) string {
	const most = 100
	name := notInID.ReplaceAllString(filepath.Base(file), "-")
	return name[:min(len(name), most)]
}

// resumeCommand is the command line that goes on with an import, "" = it cannot.
// The id is named where the file alone would not give it.
func resumeCommand(cmd *cobra.Command, file, id string, named bool) string {
	if id == "" {
		return ""
	}
	words := []string{cmd.CommandPath(), shellWord(file)}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "id" || f.Name == "resume":
		case f.Value.Type() == "bool":
			words = append(words, "--"+f.Name)
		default:
			words = append(words, "--"+f.Name, shellWord(f.Value.String()))
		}
	})
	if named {
		words = append(words, "--id", shellWord(id))
	}
	return strings.Join(append(words, "--resume"), " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+=-]+$`)

// shellWord quotes a word for a POSIX shell if it needs that.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
