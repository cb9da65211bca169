package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/bench"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version string

// versionText is the release, else the module's version, else "devel".
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return printJSON(a.out, map[string]string{"version": versionText(), "commit": bench.Commit(), "go": runtime.Version()})
			}
			_, err := fmt.Fprintf(a.out, "pemba %s (commit %s, %s)\n", versionText(), bench.Commit(), runtime.Version())
			return err
		},
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}
