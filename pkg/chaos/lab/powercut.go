//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// The user of the port of the embedded NATS, through which the audit observes the store.
const natsUser, natsPassword = "lab", "used-only-by-the-chaos-tests"

// newEmbedded configures one API with NATS and a worker in it, and returns the URL of that NATS.
func (cl *cluster) newEmbedded(ctx context.Context) (natsURL string, err error) {
	addr, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	env := append(cl.workerSettings(), "DATA_DIR="+cl.dataDir(), "NATS_SYNC=always", "NATS_LISTEN="+addr,
		"NATS_LISTEN_USER="+natsUser, "NATS_LISTEN_PASSWORD="+natsPassword)
	api, err := cl.newAPI(ctx, "api-1", cl.programs.synclog, []string{cl.syncLog()}, env)
	if err != nil {
		return "", err
	}
	cl.apis = append(cl.apis, api)
	return (&url.URL{Scheme: "nats", User: url.UserPassword(natsUser, natsPassword), Host: addr}).String(), nil
}

func (cl *cluster) dataDir() string { return filepath.Join(cl.dir, "data") }
func (cl *cluster) syncLog() string { return filepath.Join(cl.dir, "syncs") }

// cutPower lets the power fail, by the model of brokertest.CutPower, under the API with the embedded NATS.
func (inj *injector) cutPower(ctx context.Context, rng *rand.Rand, c *process) {
	inj.check(c.kill())
	var lost losses
	inj.check(brokertest.CutPowerInPlace(inj.cluster.dataDir(), inj.cluster.syncLog(), lost.add))
	// A client may have seen what was not on disk yet, such as the end of a job, which then ends again.
	inj.cluster.model.LoseEnds(lost.ends)
	inj.audit.loseRecords(lost.ends)
	inj.countLosses(lost)
	inj.onKill("power cuts")
	inj.restart(ctx, c, between(rng, 0, 2*time.Second))
}

// losses is what power cuts have removed from the store.
type losses struct {
	cuts, files, bytes int
	// ends are the jobs whose terminal records were removed.
	ends []string
}

// recordName matches the subject of a terminal record in a block; those of media are longer.
var recordName = regexp.MustCompile(regexp.QuoteMeta(strings.TrimSuffix(broker.RecordSubject("", ""), ".")) + `[^.]+\.([0-9a-f-]{36})[^.]`)

func (l *losses) add(path string, data []byte) {
	if len(data) > 0 {
		l.files++
		l.bytes += len(data)
	}
	if filepath.Base(filepath.Dir(filepath.Dir(path))) != broker.ResultsStream {
		return
	}
	for _, match := range recordName.FindAllSubmatch(data, -1) {
		l.ends = append(l.ends, string(match[1]))
	}
}

func (inj *injector) countLosses(l losses) {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	inj.losses.cuts++
	inj.losses.files += l.files
	inj.losses.bytes += l.bytes
	inj.losses.ends = append(inj.losses.ends, l.ends...)
}
