package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what all commands share: the streams, and the flags of the client
// commands.
type app struct {
	in       io.Reader
	out, err io.Writer

	addrs   string
	tenant  string
	json    bool
	timeout time.Duration
	credentialOptions
	identityOptions
}

func newRoot(a *app) *cobra.Command {
	root := group("pemba", "A distributed authorization service: schemas, tuples and checks.")
	root.Long = `pemba answers "may this subject do this to that object?" from a schema and
tuples, as Zanzibar does. "pemba serve" runs a node; the other commands ask one.

Flags that have an environment variable say so; a flag wins over its variable.
Exit status: 0 yes or done, 1 no (denied, conditional, does not hold), 2 or more
an error.`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, flagMistake(err)) })
	root.Version = versionText()
	root.SetVersionTemplate("pemba {{.Version}}\n")
	root.AddCommand(
		a.serveCommand(),
		a.schemaCommand(), a.tupleCommand(), a.importCommand(), a.tenantCommand(),
		a.checkCommand(), a.listCommand(), a.expandCommand(),
		a.validateCommand(), a.keyCommand(), a.iamCommand(), a.clusterCommand(), a.benchCommand(), a.versionCommand(),
	)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			onlyHolds(cmd)
		}
	}
	return root
}

// group is a command that only holds others.
func group(use, short string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	onlyHolds(cmd)
	return cmd
}

// onlyHolds prints help for no arguments, and refuses a word that names no command.
func onlyHolds(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		message := fmt.Sprintf("unknown command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			message += fmt.Sprintf("; did you mean %q?", near[0])
		}
		return usage(cmd, message)
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
}

// usage is a mistake on the command line, with where to read on.
func usage(cmd *cobra.Command, message string) error {
	return fmt.Errorf("%s (see %s --help)", message, cmd.CommandPath())
}

// flagMistake says what is wrong with a flag, and what would be right.
func flagMistake(err error) string {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	f := invalid.GetFlag()
	return fmt.Sprintf("--%s %q: %s", f.Name, invalid.GetValue(), valueMistake(f, invalid.Unwrap()))
}

// valueMistake says what f takes. The flags of pemba's own types say it in err.
func valueMistake(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "int", "int32":
		return "it must be a whole number, as 100"
	case "uint32", "uint64":
		return "it must be a whole number and not negative, as 100"
	case "intSlice":
		return "it must be whole numbers with commas between them, as 1,64"
	case "duration":
		return "it must be a time with its unit, as 10s or 5m"
	case "bool":
		return "it must be true or false"
	}
	return err.Error()
}

// exactArgs, maxArgs and minArgs say in one line what is missing or too much.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(cmd, fmt.Sprintf("%s takes %s, got %d: %s", cmd.CommandPath(), argumentsText(n), len(args), synopsis(cmd)))
		}
		return nil
	}
}

func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(cmd, fmt.Sprintf("%s takes at most %s, got %d: %s", cmd.CommandPath(), argumentsText(n), len(args), synopsis(cmd)))
		}
		return nil
	}
}

func argumentsText(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

func minArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			if n > 1 {
				return usage(cmd, fmt.Sprintf("%s takes at least %s, got %d: %s", cmd.CommandPath(), argumentsText(n), len(args), synopsis(cmd)))
			}
			return usage(cmd, fmt.Sprintf("%s needs an argument: %s", cmd.CommandPath(), synopsis(cmd)))
		}
		return nil
	}
}

func synopsis(cmd *cobra.Command) string {
	return strings.TrimSuffix(cmd.UseLine(), " [flags]")
}

// client adds the flags of a command that asks a server about a tenant.
func (a *app) client(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.tenant, "tenant", "", "tenant to ask about (default: the default tenant)")
	fromEnv(cmd, "tenant")
	return a.clusterClient(cmd)
}

// clusterClient adds the flags of a command that asks a server.
func (a *app) clusterClient(cmd *cobra.Command) *cobra.Command {
	a.connecting(cmd)
	a.credentialOptions.add(cmd)
	return cmd
}

// connecting adds the flags of a command that asks servers, but for those that
// say who asks.
func (a *app) connecting(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.addrs, "addr", "127.0.0.1:50051", "servers to ask, `HOST:PORT[,HOST:PORT...]`; the next is tried when one does not answer")
	f.BoolVar(&a.json, "json", false, "print JSON")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "longest time that a request, or the next part of a long answer, may take")
	fromEnv(cmd, "addr", "timeout")
}

// fromEnv lets PEMBA_<FLAG> set the named flags where the command line does not.
func fromEnv(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		f.Usage += " [$" + envName(name) + "]"
	}
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := setFromEnv(cmd, cmd.Flags().Lookup(name)); err != nil {
				return err
			}
		}
		return nil
	}
}

func setFromEnv(cmd *cobra.Command, f *pflag.Flag) error {
	value, ok := os.LookupEnv(envName(f.Name))
	if !ok || f.Changed || value == "" {
		return nil
	}
	if err := f.Value.Set(value); err != nil {
		return usage(cmd, fmt.Sprintf("%s=%q: %s", envName(f.Name), value, valueMistake(f, err)))
	}
	return nil
}

func envName(flag string) string {
	return "PEMBA_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// oneStdin refuses a second "-" among args: standard input is read once.
func oneStdin(cmd *cobra.Command, args []string) error {
	seen := false
	for _, arg := range args {
		if arg == "-" && seen {
			return usage(cmd, `standard input, "-", can be read only once`)
		}
		seen = seen || arg == "-"
	}
	return nil
}

// readFile reads a named file, or standard input for "-".
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	data, err := os.ReadFile(name)
	var path *os.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("read %s: %w", name, path.Err)
	}
	return data, err
}
