package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// WorkerKeyFile is the file in DATA_DIR with the NKEY seed that workers use to authenticate at the embedded NATS when no
// user and password are set for its port. NATS_CREDS can name it.
const WorkerKeyFile = "nats_worker.nk"

// WorkerKeyPath returns the path of the key that workers need for the port of the embedded NATS, or "" when they need none.
func (c Config) WorkerKeyPath() string {
	if !c.Embedded() || c.Listen == "" || c.ListenUser != "" || c.hooks.OpenPort {
		return ""
	}
	return filepath.Join(c.DataDir, WorkerKeyFile)
}

// serverKeys are the NKEYs (Ed25519 key pairs of NATS) of the users of the embedded server when its port requires a key.
type serverKeys struct {
	// own is the key of this process. It is generated at every start and has all permissions.
	own nkeys.KeyPair
	// worker is the public key of workers.
	worker string
}

// loadServerKeys generates the key of this process and reads that of workers, which is generated at the first start. It
// returns nil when the port requires no key.
func loadServerKeys(cfg Config) (*serverKeys, error) {
	path := cfg.WorkerKeyPath()
	if path == "" {
		return nil, nil
	}
	own, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("generate a key for NATS: %w", err)
	}
	worker, err := readWorkerKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeWorkerKey(path); err == nil {
			worker, err = readWorkerKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("worker key: %w", err)
	}
	return &serverKeys{own: own, worker: worker}, nil
}

// readWorkerKey returns the public key of the seed in a file.
func readWorkerKey(path string) (string, error) {
	contents, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own DATA_DIR.
	if err != nil {
		return "", err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(contents)
	if err != nil {
		return "", fmt.Errorf("%s contains no key; remove it to have a new one generated: %w", path, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

// makeWorkerKey writes a new seed to a file that only its owner may read. An existing file, always complete, is kept.
func makeWorkerKey(path string) (err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = fmt.Fprintf(f, "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", seed)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace the key that another process has just made.
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// authorize sets in opts the credentials that the embedded server requires.
func (c Config) authorize(opts *server.Options) error {
	keys := c.serverKeys
	if keys == nil {
		opts.Username, opts.Password = c.ListenUser, c.ListenPassword.Reveal()
		return nil
	}
	own, err := keys.own.PublicKey()
	if err != nil {
		return fmt.Errorf("key for NATS: %w", err)
	}
	opts.Nkeys = []*server.NkeyUser{{Nkey: own}, {Nkey: keys.worker, Permissions: workerPermissions()}}
	return nil
}

// ownCredentials returns the options with which this process connects to its embedded server.
func (c Config) ownCredentials() []nats.Option {
	switch {
	case c.serverKeys != nil:
		own, err := c.serverKeys.own.PublicKey()
		if err != nil {
			return nil
		}
		return []nats.Option{nats.Nkey(own, c.serverKeys.own.Sign)}
	case c.ListenUser != "":
		return []nats.Option{nats.UserInfo(c.ListenUser, c.ListenPassword.Reveal())}
	}
	return nil
}

// workerInbox is the prefix of the inboxes of workers. A worker that could subscribe to all inboxes could read the responses
// to others.
const workerInbox = "_INBOX_WORKER"

// workerPermissions returns the permissions of the worker key. It allows running jobs, but neither access to accounts, password
// resets, feedback or saved images nor the declaration of streams and consumers, which is left to the API.
//
// It is a list of allowed subjects only: every way around a denied bucket, by streams that copy it, consumers, snapshots or
// the inboxes of others, would have to be denied one by one.
//
// The permissions protect against mistakes and ordinary requests, but not against a malicious holder of the key: NATS does
// not check reply subjects, so an allowed request can direct its response to the JetStream API or into a bucket. Only a
// separate account for workers would prevent that. Anyone who can read the key file can also read the store beside it.
func workerPermissions() *server.Permissions {
	publish := []string{
		"$JS.ACK.>", "$JS.API.INFO",
		"$JS.API.CONSUMER.INFO." + StreamJobs + ".*",
		"$JS.API.CONSUMER.NAMES." + StreamJobs,
		"$JS.API.CONSUMER.MSG.NEXT." + StreamJobs + ".*",
		"$JS.API.CONSUMER.PAUSE." + StreamJobs + ".*",
		"$JS.API.STREAM.PURGE." + ProgressStream,
		"$JS.API.STREAM.PURGE." + ControlStream,
		kvSubject(BucketProgress, ">"), kvSubject(BucketResults, ">"), kvSubject(BucketControl, ">"),
		"dead.>", UsageSubject(UsageDay, "*", "*"), "usage.refund.*.*",
		// Workers publish the events of webhooks, and look whether one is published already.
		WebhookSubject("*", "*"), "$JS.API.STREAM.MSG.GET." + WebhooksStream,
		// They also look whether an identical job has a result, and say that theirs will have it.
		CacheSubject("*", "*"), "$JS.API.STREAM.MSG.GET." + CacheStream,
		// They count what jobs of members have cost, and look whether one is counted already.
		spendSubjects, "$JS.API.STREAM.MSG.GET." + StreamSpend,
		ControlChanged, durableSubject + "*",
	}
	for _, stream := range workerStreams() {
		publish = append(publish,
			"$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream, "$JS.API.DIRECT.GET."+stream+".>",
		)
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{workerInbox + ".>", CancelsSubject, ControlChanged}},
	}
}

// workerStreams returns the streams that workers use. A follower declares and watches only these.
func workerStreams() []string {
	return []string{StreamJobs, StreamDead, ProgressStream, ResultsStream, ControlStream, StreamUsage}
}

// uses reports whether this process declares and watches a stream.
func (c Config) uses(stream string) bool {
	return !c.Follower || slices.Contains(workerStreams(), stream)
}

// findWorkerKey returns the key file of an embedded NATS on this machine, for a worker without credentials; "" when
// there is none that can be read, or when NATS is elsewhere.
func (c Config) findWorkerKey() string {
	if !c.Follower || c.Embedded() || c.Creds != "" || c.DataDir == "" || !c.localWithoutCredentials() {
		return ""
	}
	path := filepath.Join(c.DataDir, WorkerKeyFile)
	if _, err := readWorkerKey(path); err != nil {
		return ""
	}
	return path
}

// credentials returns the option for a credentials file, which contains a JWT with its seed or a seed alone.
func credentials(path string) (nats.Option, error) {
	contents, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own setting.
	if err != nil {
		return nil, fmt.Errorf("read NATS_CREDS: %w", err)
	}
	if strings.Contains(string(contents), "USER JWT") {
		return nats.UserCredentials(path), nil
	}
	option, err := nats.NkeyOptionFromSeed(path)
	if err != nil {
		return nil, fmt.Errorf("the file in NATS_CREDS contains no credentials: %w", err)
	}
	return option, nil
}

// credentialsHint describes the credentials that NATS refused and the setting to change.
func (c Config) credentialsHint() string {
	switch {
	case c.Creds != "":
		return "those in " + c.Creds
	case c.localWithoutCredentials() && c.Follower:
		return "none were given; set NATS_CREDS to the file " + WorkerKeyFile + " in the DATA_DIR of the API that runs NATS, or DATA_DIR to that directory"
	case c.localWithoutCredentials():
		return "none were given; an API with an embedded NATS that was started with NATS_LISTEN_USER and NATS_LISTEN_PASSWORD accepts them in NATS_URL"
	}
	return "those in NATS_URL; set NATS_CREDS or the user and password in NATS_URL"
}
