// Package simulator is an HTTP server on loopback that behaves on the wire like the
// upstreams: the current API of Pollinations and its two legacy hosts, DeepSeek,
// SiliconFlow, and Google for sign-in. The demo runs on it, and the tests of the
// clients use it.
//
// It reproduces the upstreams as clients see them: routes, error bodies, headers,
// images, speech and plausible text. A test scripts faults with Script and reads
// the requests with Calls. A demo posts the same rules to /_control/rules and reads
// /_control/calls and /_control/faults.
//
// Each upstream has a package of its own on top of the package kit; the package
// content makes images and speech. None of them uses the code of the clients, so
// that a mistake in one is not repeated in the other. The simulator never logs
// prompts, keys or responses, listens on loopback only and sends no requests.
package simulator
