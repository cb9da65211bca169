package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// aboutFlags are what is said about a resource.
type aboutFlags struct {
	name, title, description string
	labels                   map[string]string
	expires                  string // a time, "never", "" = nothing is said

	cmd *cobra.Command
}

func (o *aboutFlags) add(cmd *cobra.Command) {
	o.cmd = cmd
	cmd.Flags().StringVar(&o.description, "description", "", "what it is for, up to 256 characters")
	cmd.Flags().StringToStringVar(&o.labels, "labels", nil, "labels, `KEY=VALUE,...`; those that were there go")
}

// addUpdate is add for a command that changes what is said.
func (o *aboutFlags) addUpdate(cmd *cobra.Command) {
	o.add(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "a new name")
}

func (o *aboutFlags) addExpiry(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.expires, "expires-at", "", "`TIME` from which on it cannot authenticate, as 2030-01-31T00:00:00Z, or \"never\"")
}

// mask names the fields that the command line gives; none is a mistake.
func (o *aboutFlags) mask() (*fieldmaskpb.FieldMask, error) {
	m := &fieldmaskpb.FieldMask{}
	for _, name := range []string{"name", "title", "description", "labels", "expires-at"} {
		if f := o.cmd.Flags().Lookup(name); f != nil && f.Changed {
			m.Paths = append(m.Paths, strings.ReplaceAll(name, "-", "_"))
		}
	}
	if len(m.Paths) == 0 {
		return nil, usage(o.cmd, "there is nothing to change: give a flag")
	}
	return m, nil
}

// expiry reads --expires-at; nil = never.
func (o *aboutFlags) expiry() (*timestamppb.Timestamp, error) {
	if o.expires == "" || o.expires == "never" {
		return nil, nil
	}
	return parseMoment("--expires-at", o.expires)
}

func parseMoment(flag, text string) (*timestamppb.Timestamp, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%s %q: a time is written as 2030-01-31T00:00:00Z", flag, text)
	}
	return timestamppb.New(t), nil
}

// labelsText writes labels for people.
func labelsText(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, ",")
}
