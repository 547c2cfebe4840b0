package simulator

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// The types with which a test or a program configures and scripts a Simulator.
type (
	// Config configures a Simulator. The zero value responds at once, accepts any
	// key and logs nothing.
	Config = kit.Config
	// Latency is the duration of successful responses, by kind.
	Latency = kit.Latency
	// Delay is a range of durations.
	Delay = kit.Delay
	// Rule scripts the responses to some requests.
	Rule = kit.Rule
	// Call is a recorded request.
	Call = kit.Call
	// Kind is the purpose of a request.
	Kind = kit.Kind
	// Dialect identifies an upstream by its wire format.
	Dialect = kit.Dialect
	// GoogleUser is a user of the simulated Google.
	GoogleUser = google.User
	// GoogleClient is an application registered with the simulated Google.
	GoogleClient = google.Client
)

// The kinds of requests. Rules without a kind match the first three.
const (
	KindImage   = kit.KindImage
	KindSpeech  = kit.KindSpeech
	KindChat    = kit.KindChat
	KindModels  = kit.KindModels
	KindAccount = kit.KindAccount
)

// The kinds of requests to Google, one for each of its routes.
const (
	KindDiscovery = kit.KindDiscovery
	KindAuthorize = kit.KindAuthorize
	KindToken     = kit.KindToken
	KindCerts     = kit.KindCerts
	KindUserinfo  = kit.KindUserinfo
)

// The dialects.
const (
	DialectPollinations = kit.DialectPollinations
	DialectLegacyImage  = kit.DialectLegacyImage
	DialectLegacyText   = kit.DialectLegacyText
	DialectDeepSeek     = kit.DialectDeepSeek
	DialectSiliconFlow  = kit.DialectSiliconFlow
	DialectGoogle       = kit.DialectGoogle
)

// The outcomes of a Call.
const (
	OutcomeRunning  = kit.OutcomeRunning
	OutcomeFinished = kit.OutcomeFinished
	OutcomeAborted  = kit.OutcomeAborted
)

// The default client of the simulated Google.
const (
	GoogleClientID     = google.ClientID
	GoogleClientSecret = google.ClientSecret
)

// DemoLatency returns latencies for a demo, which are noticeable but short.
func DemoLatency() Latency {
	return Latency{
		Image:  Delay{Min: 600 * time.Millisecond, Max: 1500 * time.Millisecond},
		Speech: Delay{Min: 300 * time.Millisecond, Max: 800 * time.Millisecond},
		Chat:   Delay{Min: 200 * time.Millisecond, Max: 500 * time.Millisecond},
		Token:  Delay{Min: 8 * time.Millisecond, Max: 25 * time.Millisecond},
	}
}
