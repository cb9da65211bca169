package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := group("key", "Make keys for clients")
	var file string
	create := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a key and the line for the server's keys file",
		Long: `Make a key for the client called NAME: the audit trail knows it by this name. It
prints the key, which is not kept anywhere, and the line for the file that "pemba
serve --keys-file" reads. A client sends the key with --key-file, --key or
PEMBA_KEY. To change a key, add a second line of the same name, and take the
first away when nobody uses it any more; a server reads the file again within
seconds.`,
		Example: `  pemba key new billing
  pemba key new billing --keys-file keys.txt > billing.key`,
		Args: exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.newKey(args[0], file) },
	}
	create.Flags().StringVar(&file, "keys-file", "", "append the line to this `FILE` and print the key only")
	cmd.AddCommand(create)
	return cmd
}

func (a *app) newKey(name, file string) error {
	if err := checkKeyName(name); err != nil {
		return err
	}
	key := newKey()
	line := keyLine(name, key)
	if file == "" {
		fmt.Fprintf(a.out, "%s\n%s\n", key, line)
		return nil
	}
	if err := appendLine(file, line); err != nil {
		return fmt.Errorf("write %s: %w", file, rootCause(err))
	}
	fmt.Fprintln(a.out, key)
	return nil
}

// appendLine adds a line to a file, which is made if it is not there.
func appendLine(file, line string) error {
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
