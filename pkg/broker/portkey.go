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

// WorkerKeyFile is the file in DATA_DIR with the key that the embedded NATS asks of workers when no user and password are
// set for its port. It fits NATS_CREDS.
const WorkerKeyFile = "nats_worker.nk"

// WorkerKeyPath returns where the key lies that workers need for the port of the embedded NATS, or "" when they need none.
func (c Config) WorkerKeyPath() string {
	if !c.Embedded() || c.Listen == "" || c.ListenUser != "" || c.OpenPort {
		return ""
	}
	return filepath.Join(c.DataDir, WorkerKeyFile)
}

// portKeys are the keys with which the embedded NATS knows its users when its port asks for a key.
type portKeys struct {
	// own is this process's, made anew with each start; it may do everything.
	own nkeys.KeyPair
	// worker is the public key of workers.
	worker string
}

// loadPortKeys makes the key of this process and reads that of workers, which is made at the first start. The result is nil
// when the port needs no key.
func loadPortKeys(cfg Config) (*portKeys, error) {
	path := cfg.WorkerKeyPath()
	if path == "" {
		return nil, nil
	}
	own, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make a key for NATS: %w", err)
	}
	worker, err := readWorkerKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeWorkerKey(path); err == nil {
			worker, err = readWorkerKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of workers: %w", err)
	}
	return &portKeys{own: own, worker: worker}, nil
}

// readWorkerKey returns the public key of the seed in a file.
func readWorkerKey(path string) (string, error) {
	contents, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own DATA_DIR.
	if err != nil {
		return "", err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(contents)
	if err != nil {
		return "", fmt.Errorf("%s holds no key; remove it to have a new one made: %w", path, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

// makeWorkerKey writes a new seed to a file that only its owner may read. A file that is there, whole, is left alone.
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

// authorize has the embedded server ask its users for what cfg says.
func (c Config) authorize(opts *server.Options) error {
	keys := c.portKeys
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
	case c.portKeys != nil:
		own, err := c.portKeys.own.PublicKey()
		if err != nil {
			return nil
		}
		return []nats.Option{nats.Nkey(own, c.portKeys.own.Sign)}
	case c.ListenUser != "":
		return []nats.Option{nats.UserInfo(c.ListenUser, c.ListenPassword.Reveal())}
	}
	return nil
}

// workerInbox begins the subjects of answers to workers. A worker that could subscribe to all inboxes could read what others
// are answered.
const workerInbox = "_INBOX_WORKER"

// workerPermissions are those of a worker that shows the key of the port. It works jobs; it does not read or change accounts,
// password resets, feedback or saved images, and it declares nothing: what is missing the API makes again.
//
// They name what is allowed and nothing else: every way past a denied bucket, by streams that copy it, consumers, snapshots,
// or the inboxes of others, would have to be denied one by one.
//
// They hold against mistakes and ordinary requests, and not against a holder of the key who is out for it: NATS does not check
// reply subjects, so that an allowed request can have its answer sent to the JetStream API or into a bucket. Only an account
// of its own for workers would close that. Whoever can read the file where it is made can read the whole store there anyway.
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
		ControlChanged,
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

// workerStreams are the streams that workers use. A follower declares and watches these alone.
func workerStreams() []string {
	return []string{StreamJobs, StreamDead, ProgressStream, ResultsStream, ControlStream, StreamUsage}
}

// uses reports whether this process declares and watches a stream.
func (c Config) uses(stream string) bool {
	return !c.Follower || slices.Contains(workerStreams(), stream)
}

// findWorkerKey returns the key file of an embedded NATS on this machine, for a worker that was told of no credentials; ""
// when there is none that can be read, or when NATS is elsewhere.
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

// credentials returns the option that a credentials file makes: of a JWT with its seed, or of a seed alone.
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
		return nil, fmt.Errorf("NATS_CREDS names a file without credentials: %w", err)
	}
	return option, nil
}

// explainRefusal says what to set for a NATS that does not accept the credentials.
func (c Config) explainRefusal() string {
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
