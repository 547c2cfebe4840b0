package pollinations

// The two bodies of a 429 that differ from the usual error body.
type keyLimitBody struct {
	Error             string  `json:"error"`
	Message           string  `json:"message"`
	RetryAfterSeconds float64 `json:"retryAfterSeconds"`
}

type concurrencyBody struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// paymentDemand is the body, or the header, of a response of the x402 protocol,
// which asks for a payment instead of a key.
type paymentDemand struct {
	Version int             `json:"x402Version"`
	Error   string          `json:"error"`
	Accepts []paymentMethod `json:"accepts"`
}

type paymentMethod struct {
	Scheme      string `json:"scheme"`
	Network     string `json:"network"`
	MaxAmount   string `json:"maxAmountRequired"`
	Resource    string `json:"resource"`
	Description string `json:"description"`
	MIMEType    string `json:"mimeType"`
	PayTo       string `json:"payTo"`
	MaxTimeout  int    `json:"maxTimeoutSeconds"`
	Asset       string `json:"asset"`
}

// PaymentDemand returns the body of a 402 of the x402 protocol.
func PaymentDemand(reason string) any {
	const nobody = "0x0000000000000000000000000000000000000000"
	return paymentDemand{Version: 1, Error: reason, Accepts: []paymentMethod{{
		Scheme: "exact", Network: "base", MaxAmount: "1000", Resource: "https://image.invalid/prompt/x", Description: "One picture",
		MIMEType: "image/jpeg", PayTo: nobody, MaxTimeout: 60, Asset: nobody,
	}}}
}

// upstreamDetails describes the error of a provider behind Pollinations.
type upstreamDetails struct {
	Name           string `json:"name"`
	UpstreamStatus int    `json:"upstreamStatus"`
	UpstreamHost   string `json:"upstreamHost"`
	UpstreamBody   string `json:"upstreamBody"`
}
