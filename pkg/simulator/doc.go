// Package simulator is an HTTP server on loopback that behaves on the wire
// like the upstreams: today's Pollinations gateway, the two legacy hosts of
// Pollinations, DeepSeek, SiliconFlow, and Google where people sign in. The
// demo runs on it, and every test of the wire clients goes through it.
//
// It owns the upstreams' shapes as a stranger sees them: routes, envelopes,
// headers, real pictures, real sound, plausible text. A test scripts faults
// with Script and reads back Calls; a demo posts the same rules to
// /_control/rules and looks at /_control/calls and /_control/faults.
//
// It shares no code with the clients, so that a mistake in one is not
// repeated in the other. It never logs a prompt, a key or an answer, never
// listens beyond loopback and never calls out.
package simulator
