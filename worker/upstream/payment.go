package upstream

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// paymentReason returns a message for a Payment-Required header, which services send that sell single calls without a
// key; empty without the header. The header is base64-encoded JSON, whose error member is quoted.
func paymentReason(header http.Header) string {
	const (
		general = "the response header requires a payment, as for a call without a key"
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
	var content struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(raw, &content) != nil {
		return general
	}
	reason := text(content.Error)
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "")
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return general
	}
	return general + ": " + reason
}
