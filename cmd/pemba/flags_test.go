package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestByteSize_ReadsUnitsAndWritesThemBack(t *testing.T) {
	for _, c := range []struct {
		text string
		size int64
		back string
	}{
		{"0", 0, "0B"}, {"4096", 4096, "4KiB"}, {"64MiB", 64 << 20, "64MiB"}, {"1.5GiB", 3 << 29, "1.5GiB"},
		{"1 GB", 1e9, "953.7MiB"}, {"10B", 10, "10B"},
	} {
		var b byteSize
		if err := b.Set(c.text); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if int64(b) != c.size || b.String() != c.back {
			t.Errorf("%q is %d, written %s; want %d, %s", c.text, int64(b), b.String(), c.size, c.back)
		}
	}
	for _, text := range []string{"", "many", "-1", "1XB", "9999999TiB", "NaN"} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, b)
		}
	}
}

func TestServe_RefusesPlaintextOffLoopback(t *testing.T) {
	for addr, fine := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "192.0.2.1:1": false, "example.com:1": false, "127.0.0.1": false,
	} {
		o := serveOptions{grpcAddr: addr, horizon: 1}
		if err := o.validate(); (err == nil) != fine {
			t.Errorf("%s: %v", addr, err)
		}
		o.insecure, o.open = true, true
		if err := o.validate(); err != nil && addr != "127.0.0.1" {
			t.Errorf("%s --insecure --open: %v", addr, err)
		}
	}
}

func TestServe_RefusesNegativeShutdownTimeout(t *testing.T) {
	for drain, fine := range map[time.Duration]bool{-1: false, 0: true, time.Second: true} {
		o := serveOptions{grpcAddr: "127.0.0.1:1", horizon: 1, drain: drain}
		if err := o.validate(); (err == nil) != fine {
			t.Errorf("%v: %v", drain, err)
		}
	}
}

func TestLogLevel_NamesTheAllowedValues(t *testing.T) {
	for text, want := range map[string]slog.Level{"debug": -4, "info": 0, "WARN": 4, "error": 8} {
		var l logLevel
		if err := l.Set(text); err != nil || l.Level() != want || l.String() != strings.ToLower(text) {
			t.Errorf("%s: %v, %v", text, l, err)
		}
	}
	for _, text := range []string{"loud", "", "info+2"} {
		root := newRoot(&app{})
		root.SetArgs([]string{"serve", "--log-level", text})
		err := root.Execute()
		if err == nil || !strings.Contains(err.Error(), "debug, info, warn and error") || strings.Contains(err.Error(), "slog") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
