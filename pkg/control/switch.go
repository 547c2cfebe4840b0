package control

import (
	"errors"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// SwitchName names a runtime switch: a setting that all processes of an installation change without a restart.
type SwitchName string

// The runtime switches.
const (
	// SwitchLogLevel overrides LOG_LEVEL; its values are error, warn, info and debug.
	SwitchLogLevel SwitchName = "log-level"
	// SwitchMetrics overrides METRICS_ENABLED; its values are on and off.
	SwitchMetrics SwitchName = "metrics"
	// SwitchAccept says whether new jobs are accepted; its values are on and off.
	SwitchAccept SwitchName = "accept"
)

// The values of the switches that are on or off.
const (
	SwitchOn  = "on"
	SwitchOff = "off"
)

// SwitchNames returns every runtime switch.
func SwitchNames() []SwitchName { return []SwitchName{SwitchLogLevel, SwitchMetrics, SwitchAccept} }

// Values returns the values that a switch can be set to; none for an unknown switch.
func (n SwitchName) Values() []string {
	switch n {
	case SwitchLogLevel:
		return []string{"error", "warn", "info", "debug"}
	case SwitchMetrics, SwitchAccept:
		return []string{SwitchOn, SwitchOff}
	}
	return nil
}

// Actor is the operator who changed a switch, as far as a request tells.
type Actor struct {
	// Address is the client address of the request.
	Address string `json:"address,omitempty"`
	// Key identifies the ADMIN_KEY of the request without giving it away.
	Key string `json:"key,omitempty"`
}

// Switch is the stored state of a runtime switch. Each is stored under a key of its own, which versions without switches
// neither read nor write.
type Switch struct {
	V    int        `json:"v"`
	Name SwitchName `json:"name"`
	// Value is empty after a reset: the environment of each process decides.
	Value string   `json:"value"`
	Since job.Time `json:"since"`
	// Until is when the value ends by itself; zero when it does not.
	Until job.Time `json:"until,omitzero"`
	// Reason is the operator's own.
	Reason string `json:"reason,omitempty"`
	By     Actor  `json:"by,omitzero"`
}

// InForce reports whether the switch overrides the environment at the given moment.
func (s Switch) InForce(now time.Time) bool {
	return s.Value != "" && (s.Until.IsZero() || now.Before(s.Until.Time))
}

// check fails for a switch or a value that this version does not know.
func (s *Switch) check() error {
	switch {
	case s.V > job.Version:
		return kv.ErrNewer
	case s.Name.Values() == nil, s.Value != "" && !slices.Contains(s.Name.Values(), s.Value):
		return errors.New("unknown switch or value")
	}
	return nil
}
