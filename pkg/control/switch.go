package control

import (
	"errors"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// SwitchName is the name of a runtime switch, a setting that changes in all processes without a restart.
type SwitchName string

// The runtime switches.
const (
	// SwitchLogLevel overrides LOG_LEVEL; its values are error, warn, info and debug.
	SwitchLogLevel SwitchName = "log-level"
	// SwitchMetrics overrides METRICS_ENABLED; its values are on and off.
	SwitchMetrics SwitchName = "metrics"
	// SwitchAccept sets whether new jobs are accepted; its values are on and off.
	SwitchAccept SwitchName = "accept"
)

// The values of switches that are on or off.
const (
	SwitchOn  = "on"
	SwitchOff = "off"
)

// SwitchNames returns every runtime switch.
func SwitchNames() []SwitchName { return []SwitchName{SwitchLogLevel, SwitchMetrics, SwitchAccept} }

// Values returns the possible values of a switch, or nil for an unknown switch.
func (n SwitchName) Values() []string {
	switch n {
	case SwitchLogLevel:
		return []string{"error", "warn", "info", "debug"}
	case SwitchMetrics, SwitchAccept:
		return []string{SwitchOn, SwitchOff}
	}
	return nil
}

// Actor identifies the operator who changed a switch by the request.
type Actor struct {
	// Address is the client address of the request.
	Address string `json:"address,omitempty"`
	// Key identifies the ADMIN_KEY of the request without disclosing it.
	Key string `json:"key,omitempty"`
}

// Switch is the stored state of a runtime switch. Each switch has its own key, which older versions ignore.
type Switch struct {
	V    int        `json:"v"`
	Name SwitchName `json:"name"`
	// Value is empty after a reset: the environment of each process applies.
	Value string   `json:"value"`
	Since job.Time `json:"since"`
	// Until is when the value expires; zero if it does not.
	Until job.Time `json:"until,omitzero"`
	// Reason is the reason that the operator gave.
	Reason string `json:"reason,omitempty"`
	By     Actor  `json:"by,omitzero"`
}

// InForce reports whether the switch overrides the environment at the given time.
func (s Switch) InForce(now time.Time) bool {
	return s.Value != "" && (s.Until.IsZero() || now.Before(s.Until.Time))
}

// check returns an error for a switch or a value that is unknown to this version.
func (s *Switch) check() error {
	switch {
	case s.V > job.Version:
		return kv.ErrNewer
	case s.Name.Values() == nil, s.Value != "" && !slices.Contains(s.Name.Values(), s.Value):
		return errors.New("unknown switch or value")
	}
	return nil
}
