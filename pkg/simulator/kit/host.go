package kit

// Host is one simulated upstream.
type Host struct {
	Dialect Dialect
	// Prefix is the path below which the host is served. The first host of a
	// Server has none and serves every path that belongs to no other.
	Prefix string
	// BasePath is what clients configure behind the address; it begins with
	// Prefix.
	BasePath string
	Routes   []Route
	// Control holds routes relative to /_control/ that change the host.
	Control []Route

	// Authorize checks the key of a request that needs one and rejects the
	// request if it is missing or unknown.
	Authorize func(*Exchange) bool
	// WriteFailure writes a failure in the error body of the host.
	WriteFailure func(*Exchange, Failure)
	// NotFound, if set, serves a path or a method without a route.
	NotFound func(*Exchange)
	// Intercept, if set, may respond to a request to which no rule has responded.
	Intercept func(*Exchange) (answered bool)
	// Queue, if set, limits the generations of each client address, and Busy
	// responds when it rejects one; it reports whether the error is its own.
	Queue *AddressQueue
	Busy  func(*Exchange, error) bool

	// Failures holds the scripted failures in the format of the host. The first
	// host has all of them; the others have those that differ.
	Failures map[string]Failure
	// Adapt turns a failure of the first host into one of this host; nil keeps
	// the status and the message.
	Adapt func(Failure) Failure
	// Faults holds further faults, which rules may apply to requests to any
	// host. A nil Fault is a variation: the host changes its own response.
	Faults map[string]Fault
}

// Route binds a method and a path to a handler. A path that ends in "*" matches
// every path with that prefix as it was sent, because a prompt may contain
// slashes and dots. A path without "*" matches regardless of how its characters
// are escaped, as in the routers of the upstreams: a prompt that is spelled like
// a route is not a prompt.
type Route struct {
	Method string
	Path   string
	Kind   Kind
	Handle func(*Exchange)
}

// Fault writes the response of a scripted fault.
type Fault func(*Exchange)

// Failure is an error response. Which fields it shows depends on the host.
type Failure struct {
	Status  int
	Code    string // of Pollinations and Google
	Type    string // of Pollinations, DeepSeek and the older routes of Google
	Reason  string // the code of DeepSeek
	Number  int    // the code of SiliconFlow
	Message string
	Details any
	// Header is added unless a rule has set the same field.
	Header map[string]string
	// Body replaces the error body of the host, Envelope the function that
	// writes it.
	Body     any
	Envelope func(*Exchange, Failure)
}
