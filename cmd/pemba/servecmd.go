package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// serveOptions are the settings of a node.
type serveOptions struct {
	dataDir   string
	grpcAddr  string
	addrFile  string
	nodeID    string
	cacheSize byteSize
	horizon   time.Duration
	drain     time.Duration
	logLevel  logLevel
	accessOptions
	observeOptions
	nodeOptions
	layerOptions
}

func (a *app) serveCommand() *cobra.Command {
	o := &serveOptions{cacheSize: 64 << 20}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Run a node: a durable, in-memory authorization server that speaks gRPC. It prints
one line when it is ready. SIGINT or SIGTERM let requests finish and stop it, a
second one stops it at once. It refuses to start on data that it cannot trust.`,
		Example: `  pemba serve
  pemba serve --data-dir /var/lib/pemba --grpc-addr 127.0.0.1:50051`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.adminGiven = cmd.Flags().Changed("admin-addr") || os.Getenv(envName("admin-addr")) != ""
			return a.serve(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dataDir, "data-dir", "./pemba-data", "directory of log and snapshots")
	f.StringVar(&o.grpcAddr, "grpc-addr", "127.0.0.1:50051", "where to serve gRPC, `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&o.addrFile, "addr-file", "", "write the address that is served to this `FILE` when the node is ready")
	f.StringVar(&o.nodeID, "node-id", "n1", "name of the node; always the same for one data directory")
	f.Var(&o.cacheSize, "cache-size", "memory for the cache of decisions; 0 = no cache")
	f.DurationVar(&o.horizon, "horizon", time.Hour, "how far back views stay readable")
	f.DurationVar(&o.drain, "shutdown-timeout", 10*time.Second, "how long requests may take to finish when the node stops")
	f.Var(&o.logLevel, "log-level", "least `LEVEL` to log: debug, info, warn or error")
	o.accessOptions.add(cmd)
	o.observeOptions.add(cmd)
	o.nodeOptions.add(cmd)
	o.layerOptions.add(cmd)
	fromEnv(cmd, "data-dir", "grpc-addr", "node-id", "cache-size", "horizon", "shutdown-timeout", "log-level")
	return cmd
}

const nodeIDLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// validate refuses what cannot work before anything is opened.
func (o *serveOptions) validate() error {
	host, _, err := net.SplitHostPort(o.grpcAddr)
	if err != nil {
		return fmt.Errorf("--grpc-addr %q: an address is written HOST:PORT, as 127.0.0.1:50051", o.grpcAddr)
	}
	if err := o.accessOptions.validate(o.grpcAddr, host); err != nil {
		return err
	}
	if err := o.observeOptions.validate(); err != nil {
		return err
	}
	if err := o.nodeOptions.validate(); err != nil {
		return err
	}
	if len(o.nodeID) > 64 || strings.Trim(o.nodeID, nodeIDLetters) != "" {
		return fmt.Errorf("--node-id %q: a node's name is 1 to 64 letters, digits, '-', '_' and '.'", o.nodeID)
	}
	if o.horizon <= 0 {
		return fmt.Errorf("--horizon %s: it must be positive, as 1h", o.horizon)
	}
	if o.drain < 0 {
		return fmt.Errorf("--shutdown-timeout %s: it must not be negative; 0 cuts requests at once", o.drain)
	}
	return nil
}

// isLoopback reports whether host is this machine only. A name other than
// localhost may resolve to anything.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// logLevel is the flag of a slog.Level; its zero value is info.
type logLevel slog.Level

var logLevels = map[string]logLevel{
	"debug": logLevel(slog.LevelDebug), "info": logLevel(slog.LevelInfo),
	"warn": logLevel(slog.LevelWarn), "error": logLevel(slog.LevelError),
}

func (l logLevel) Level() slog.Level { return slog.Level(l) }
func (l logLevel) String() string    { return strings.ToLower(l.Level().String()) }
func (l logLevel) Type() string      { return "LEVEL" }

func (l *logLevel) Set(s string) error {
	level, ok := logLevels[strings.ToLower(s)]
	if !ok {
		return errors.New("it is one of debug, info, warn and error")
	}
	*l = level
	return nil
}

// byteSize is a flag such as 64MiB, 1GB or 4096.
type byteSize int64

var byteUnits = []struct {
	suffix string
	size   float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func (b *byteSize) String() string { return strings.ReplaceAll(bytesText(int64(*b)), " ", "") }
func (b *byteSize) Type() string   { return "SIZE" }

func (b *byteSize) Set(s string) error {
	number, unit := strings.TrimSpace(s), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*unit < math.MaxInt64) {
		return fmt.Errorf("%q is no size; write it as 64MiB", s)
	}
	*b = byteSize(n * unit)
	return nil
}
