package pollinations

// paymentDemand is the body, or the header, of a response of the x402 protocol,
// which asks for a payment instead of a key.
type paymentDemand struct {
	Version int              `json:"x402Version"`
	Error   string           `json:"error"`
	Accepts []map[string]any `json:"accepts"`
}

// PaymentDemand returns the body of a 402 of the x402 protocol.
func PaymentDemand(reason string) any {
	const nobody = "0x0000000000000000000000000000000000000000"
	return paymentDemand{Version: 1, Error: reason, Accepts: []map[string]any{{
		"scheme": "exact", "network": "base", "maxAmountRequired": "1000", "resource": "https://image.invalid/prompt/x", "description": "One picture",
		"mimeType": "image/jpeg", "payTo": nobody, "maxTimeoutSeconds": 60, "asset": nobody,
	}}}
}

// upstreamDetails describes the error of a provider behind Pollinations.
type upstreamDetails struct {
	Name           string `json:"name"`
	UpstreamStatus int    `json:"upstreamStatus"`
	UpstreamHost   string `json:"upstreamHost"`
	UpstreamBody   string `json:"upstreamBody"`
}
