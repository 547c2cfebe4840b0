package control_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// switched starts a controller and returns the calls of its OnSwitch function.
func switched(t *testing.T, s *control.Store) (*control.Controller, <-chan map[control.SwitchName]control.Switch) {
	t.Helper()
	c := control.NewController(s, slog.New(slog.DiscardHandler), nil)
	changes := make(chan map[control.SwitchName]control.Switch, 16)
	c.OnSwitch(func(set map[control.SwitchName]control.Switch) { changes <- set })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c, changes
}

// next returns the next call.
func next(t *testing.T, changes <-chan map[control.SwitchName]control.Switch) map[control.SwitchName]control.Switch {
	t.Helper()
	select {
	case set := <-changes:
		return set
	case <-time.After(hang):
		t.Fatal("no call")
		return nil
	}
}

// TestSwitchesReachEveryProcess sets switches in one process: another one follows, also when the time is over, and one that is
// started meanwhile begins with them.
func TestSwitchesReachEveryProcess(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	here, hereChanges := switched(t, s)
	_, thereChanges := switched(t, s)
	for _, changes := range []<-chan map[control.SwitchName]control.Switch{hereChanges, thereChanges} {
		if set := next(t, changes); len(set) != 0 {
			t.Errorf("at the start: %v", set)
		}
	}
	by := control.Actor{Address: "192.0.2.1", Key: "abcd"}
	before, after, err := here.SetSwitch(t.Context(), control.Switch{Name: control.SwitchLogLevel, Value: "debug", By: by, Reason: "why"})
	if err != nil || before.Value != "" || after.Value != "debug" || after.Since.IsZero() {
		t.Fatalf("%+v, %+v, %v", before, after, err)
	}
	for _, changes := range []<-chan map[control.SwitchName]control.Switch{hereChanges, thereChanges} {
		if set := next(t, changes); len(set) != 1 || set[control.SwitchLogLevel] != after {
			t.Errorf("after it was set: %v", set)
		}
	}
	_, afterRestart := switched(t, s)
	if set := next(t, afterRestart); set[control.SwitchLogLevel] != after {
		t.Errorf("a process that starts later: %v", set)
	}
	// The second change replaces the first one and ends by itself.
	before, _, err = here.SetSwitch(t.Context(), control.Switch{Name: control.SwitchLogLevel, Value: "info", Until: job.At(time.Now().Add(time.Second))})
	if err != nil || before != after {
		t.Fatalf("%+v, %v", before, err)
	}
	for _, changes := range []<-chan map[control.SwitchName]control.Switch{hereChanges, thereChanges, afterRestart} {
		set := next(t, changes)
		if len(set) > 0 {
			if set[control.SwitchLogLevel].Value != "info" {
				t.Errorf("after it was set again: %v", set)
			}
			set = next(t, changes)
		}
		if len(set) != 0 {
			t.Errorf("after its time was over: %v", set)
		}
	}
}

// TestSwitchesAreReadWithoutANotice has the notice of a change be lost.
func TestSwitchesAreReadWithoutANotice(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	_, changes := switched(t, s)
	next(t, changes)
	stored := `{"v":1,"name":"metrics","value":"off","since":"2026-11-28T10:00:00.000Z","later":"field"}`
	if _, err := b.JetStream().Publish(t.Context(), broker.SwitchSubject("metrics"), []byte(stored)); err != nil {
		t.Fatal(err)
	}
	if set := next(t, changes); set[control.SwitchMetrics].Value != "off" {
		t.Errorf("%v", set)
	}
	// Invalid and unknown switches change nothing.
	for subject, body := range map[string]string{
		broker.SwitchSubject("metrics"): `{"v":1,"name":"metrics","value":"sometimes","since":"2026-11-28T10:00:00.000Z"}`,
		broker.SwitchSubject("accept"):  `{"v":99,"name":"accept","value":"off","since":"2026-11-28T10:00:00.000Z"}`,
		broker.SwitchSubject("light"):   `{"v":1,"name":"light","value":"on","since":"2026-11-28T10:00:00.000Z"}`,
	} {
		if _, err := b.JetStream().Publish(t.Context(), subject, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	late, lateChanges := switched(t, s)
	if set := next(t, lateChanges); len(set) != 0 {
		t.Errorf("a process that starts later: %v", set)
	}
	if _, accepting := late.View().Accepting(time.Now()); !accepting {
		t.Error("a newer version's switch stops submissions")
	}
}

// TestSwitchesHaveTheirOwnFields checks that versions without switches cannot decode a switch as a pause or a circuit, which
// they recognize by the fields kind and upstream.
func TestSwitchesHaveTheirOwnFields(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	c := controller(t, s)
	for _, name := range control.SwitchNames() {
		if _, _, err := c.SetSwitch(t.Context(), control.Switch{Name: name, Value: name.Values()[0], By: control.Actor{Address: "a", Key: "b"}, Reason: "c"}); err != nil {
			t.Fatal(err)
		}
		msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ControlStream, broker.SwitchSubject(string(name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{`"kind"`, `"upstream"`} {
			if strings.Contains(string(msg.Data), field) {
				t.Errorf("%s has a field %s: %s", name, field, msg.Data)
			}
		}
	}
	// Pauses still work.
	if _, err := c.Pause(t.Context(), job.KindImage, time.Now().Add(time.Hour), "note"); err != nil {
		t.Fatal(err)
	}
	if view := c.View(); len(view.Pauses) != 1 || len(view.InForce(time.Now())) != len(control.SwitchNames()) {
		t.Errorf("%+v", view)
	}
}

func TestSwitchInForce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		sw   control.Switch
		want bool
	}{
		"never set":     {control.Switch{}, false},
		"reset":         {control.Switch{Since: job.At(now)}, false},
		"without end":   {control.Switch{Value: "on"}, true},
		"not over":      {control.Switch{Value: "on", Until: job.At(now.Add(time.Second))}, true},
		"over just now": {control.Switch{Value: "on", Until: job.At(now)}, false},
	} {
		if got := test.sw.InForce(now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
