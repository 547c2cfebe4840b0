package upstream

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// paymentReason says what a response wants that asks for payment in a header, as services do that take calls without a key for
// money, or nothing where there is no such header. The header is JSON in base64; its word for the reason is quoted where
// it has one.
func paymentReason(header http.Header) string {
	const (
		general = "payment is demanded in a header, as of a call without a key"
		longest = 16 << 10
		most    = 300
	)
	encoded := strings.TrimSpace(header.Get("Payment-Required"))
	if encoded == "" {
		return ""
	}
	if len(encoded) > longest {
		return general
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return general
	}
	var demand struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(raw, &demand) != nil {
		return general
	}
	reason := text(demand.Error)
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "")
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return general
	}
	return general + ": " + reason
}
