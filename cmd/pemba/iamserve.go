package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	apiiam "github.com/pemba-authz/pemba/api/iam"
	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
)

// masterKeyVariable holds a master key itself.
const masterKeyVariable = "PEMBA_IAM_MASTER_KEY"

// layerOptions are the settings of a node's IAM layer.
type layerOptions struct {
	masterKeyFile    string
	oldMasterKeyFile string
	lostMasterKey    string // its fingerprint
	audiences        []string
	strict           bool

	master, old *credential.MasterKey // as loaded; nil = none
}

func (o *layerOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.masterKeyFile, "iam-master-key-file", "", "serve the IAM layer, whose secrets the key in this `FILE` seals; \"pemba iam master-key\" makes one, the same for all nodes; $"+masterKeyVariable+" may hold the key itself")
	f.StringVar(&o.oldMasterKeyFile, "iam-old-master-key-file", "", "`FILE` of a second master key, the one before: what it has sealed is sealed anew when the node starts")
	f.StringVar(&o.lostMasterKey, "iam-lost-master-key", "", "`FINGERPRINT` of a master key that is lost or known to others: what it has sealed is given up when the node starts, and all IAM tokens with it")
	f.StringSliceVar(&o.audiences, "iam-audience", nil, "further `AUDIENCES` that may stand in assertions of service accounts, besides the one that the cloud's SDKs have built in")
	f.BoolVar(&o.strict, "iam-strict", false, "nobody grants a role without holding all that it permits")
	fromEnv(cmd, "iam-master-key-file", "iam-old-master-key-file", "iam-lost-master-key", "iam-audience", "iam-strict")
}

// loadKeys reads the master keys.
func (o *layerOptions) loadKeys() (err error) {
	text := os.Getenv(masterKeyVariable)
	switch {
	case o.masterKeyFile != "":
		if o.master, err = readMasterKey("--iam-master-key-file", o.masterKeyFile); err != nil {
			return err
		}
	case text != "":
		if o.master, err = credential.ParseMasterKey(text); err != nil {
			return fmt.Errorf("%s: %w", masterKeyVariable, err)
		}
	case o.oldMasterKeyFile != "" || o.lostMasterKey != "" || o.strict || len(o.audiences) > 0:
		return errors.New("--iam-old-master-key-file, --iam-lost-master-key, --iam-audience and --iam-strict are about the IAM layer: give --iam-master-key-file, too")
	}
	if o.oldMasterKeyFile != "" {
		o.old, err = readMasterKey("--iam-old-master-key-file", o.oldMasterKeyFile)
	}
	return err
}

func readMasterKey(flag, file string) (*credential.MasterKey, error) {
	data, err := readAll(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	key, err := credential.ParseMasterKey(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w; \"pemba iam master-key\" makes one", flag, file, err)
	}
	return key, nil
}

// A layer is the IAM layer of a node that serves.
type layer struct {
	*iam.Service // nil = the node has none
	old          *credential.MasterKey
	lost         string // fingerprint of a master key to give up, "" = none
	log          *slog.Logger

	running context.Context // ends when stop begins
	cancel  context.CancelFunc
	jobs    sync.WaitGroup
}

// openLayer opens the IAM layer, if there is a master key. The caller stops it.
func (o *layerOptions) openLayer(service *authz.Service, log *slog.Logger) *layer {
	l := &layer{old: o.old, lost: o.lostMasterKey, log: log}
	l.running, l.cancel = context.WithCancel(context.Background())
	if o.master != nil {
		l.Service = iam.New(iam.Config{Service: service, Master: o.master, Old: o.old, Audiences: o.audiences, Strict: o.strict, Log: log})
	}
	return l
}

// mount returns the services of the layer; clients reach this node at address.
func (l *layer) mount(address string, log *slog.Logger) []native.MoreService {
	c := apiiam.Config{Service: l.Service, Address: address, Log: log}
	mounted := apiiam.OwnWithout(c)
	if l.Service != nil {
		mounted = append(apiiam.Own(c), apiiam.Vendor(c)...)
	}
	var more []native.MoreService
	for _, m := range mounted {
		more = append(more, native.MoreService{Desc: m.Desc, Impl: m.Impl, SelfAuthenticating: m.SelfAuthenticating, Question: m.Question, MaxRequestBytes: m.MaxRequestBytes})
	}
	return more
}

// start looks whether this node has the master key that it should have, and
// begins the layer's work in the background.
func (l *layer) start(ctx context.Context) error {
	if l.Service == nil {
		return nil
	}
	if l.old != nil {
		if err := insist(ctx, func() error { return l.Reseal(ctx, l.old) }); err != nil {
			return fmt.Errorf("seal the secrets of the IAM layer anew: %w", err)
		}
	}
	if l.lost != "" {
		if err := insist(ctx, func() error { return l.AbandonMaster(ctx, l.lost) }); err != nil {
			return fmt.Errorf("give up the master key %s: %w", l.lost, err)
		}
	}
	if err := insist(ctx, func() error { return l.CheckMaster(ctx) }); err != nil {
		return err
	}
	l.jobs.Go(func() { l.RunJanitor(l.running) })
	l.jobs.Go(func() { refreshEvery(l.running, masterEvery, l.watchMaster) })
	return nil
}

// insist does what may be done twice until it is known to have been done or refused,
// for a minute at most: other nodes may just be restarted, too.
func insist(ctx context.Context, do func() error) error {
	pause := time.NewTicker(time.Second)
	defer pause.Stop()
	for tries := 1; ; tries++ {
		err := do()
		var e *authz.Error
		if !errors.As(err, &e) || e.Code != authz.Unavailable && e.Code != authz.UnknownOutcome || tries == 60 {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return err
		}
	}
}

// masterEvery is how often a node that serves looks whether its master key is
// still the right one.
const masterEvery = 30 * time.Second

// watchMaster complains if the layer's secrets have been sealed under another
// master key meanwhile. The node goes on: it verifies tokens without one, and in a
// rotation this is how nodes are that have not been restarted yet.
func (l *layer) watchMaster() {
	err := l.CheckMaster(l.running)
	if e := (*authz.Error)(nil); errors.As(err, &e) && e.Code != authz.Unavailable {
		l.log.Error("this node cannot open the secrets of the IAM layer, and could not start again as it is", "err", err)
	}
}

// stop ends the layer's work.
func (l *layer) stop() {
	l.cancel()
	l.jobs.Wait()
}
