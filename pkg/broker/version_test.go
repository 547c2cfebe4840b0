package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestSuitable(t *testing.T) {
	t.Parallel()
	level := func(n int) *jetstream.AccountInfo {
		var info jetstream.AccountInfo
		info.API.Level = n
		return &info
	}
	for name, c := range map[string]struct {
		info *jetstream.AccountInfo
		err  error
		// refused reports that the error is ErrUnsuitable. words are part of the error; none if there is no error.
		refused bool
		words   []string
	}{
		"just new enough": {info: level(2)},
		"newer":           {info: level(9)},
		"a bit too old":   {info: level(1), refused: true, words: []string{"hal", "2.11.9", "too old", "2.12"}},
		"without a level": {info: level(0), refused: true, words: []string{"hal", "2.11.9", "too old", "2.12"}},
		"no JetStream":    {err: jetstream.ErrJetStreamNotEnabled, refused: true, words: []string{"hal", "no JetStream"}},
		"no JetStream for the account": {
			err: fmt.Errorf("x: %w", jetstream.ErrJetStreamNotEnabledForAccount), refused: true, words: []string{"hal", "account"},
		},
		"no response":  {err: nats.ErrNoResponders, refused: true, words: []string{"hal", "no JetStream"}},
		"no time left": {err: context.DeadlineExceeded, words: []string{"hal", "JetStream"}},
	} {
		err := broker.Suitable("hal", "2.11.9", c.info, c.err)
		if (err == nil) != (len(c.words) == 0) || errors.Is(err, broker.ErrUnsuitable) != c.refused {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.err != nil && !c.refused && !errors.Is(err, c.err) {
			t.Errorf("%s: the cause is lost in %v", name, err)
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not contain %q", name, err, word)
			}
		}
	}
}

func TestServerWithoutJetStreamIsRefusedByName(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	_, err := brokertest.Open(t, broker.Config{URL: env.Secret(srv.ClientURL())}, newLines())
	if !errors.Is(err, broker.ErrUnsuitable) {
		t.Fatalf("%v, want ErrUnsuitable", err)
	}
	for _, word := range []string{"outside", server.VERSION, "JetStream"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name %q", err, word)
		}
	}
}
