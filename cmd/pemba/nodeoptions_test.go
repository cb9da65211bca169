package main

import (
	"strings"
	"testing"
)

func TestNodeOptions_RefusesWhatContradictsItself(t *testing.T) {
	const others = "127.0.0.1:2"
	for _, c := range []struct {
		options nodeOptions
		want    string // in the error, "" = none
	}{
		{nodeOptions{}, ""},
		{nodeOptions{join: []string{others}}, "--raft-addr"},
		{nodeOptions{nodeCA: "ca"}, "--raft-addr"},
		{nodeOptions{raftAddr: "127.0.0.1:1"}, ""},
		{nodeOptions{raftAddr: "127.0.0.1"}, "--raft-addr"},
		{nodeOptions{raftAddr: "127.0.0.1:1", advertise: "host"}, "--advertise-addr"},
		{nodeOptions{raftAddr: "127.0.0.1:1", advertise: ":1"}, "--advertise-addr"},
		{nodeOptions{raftAddr: "127.0.0.1:1", join: []string{others, "127.0.0.1"}}, `--join "127.0.0.1"`},
		{nodeOptions{raftAddr: "127.0.0.1:1", expect: 3}, "--join"},
		{nodeOptions{raftAddr: "127.0.0.1:1", expect: 3, join: []string{others}}, ""},
		{nodeOptions{raftAddr: "0.0.0.0:1", insecureNodes: true}, "--advertise-addr"},
		{nodeOptions{raftAddr: ":1", insecureNodes: true}, "--advertise-addr"},
		{nodeOptions{raftAddr: "0.0.0.0:1", advertise: "n1:1", insecureNodes: true}, ""},
		{nodeOptions{raftAddr: "10.0.0.1:1"}, "--insecure-nodes"},
		{nodeOptions{raftAddr: "127.0.0.1:1", nodeCert: "cert"}, "go together"},
	} {
		err := c.options.validate()
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.options, err, c.want)
		}
	}
}
