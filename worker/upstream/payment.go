package upstream

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// paymentReason returns what a Payment-Required header says, as services send it that sell single calls without a key;
// empty without one. The header is base64-encoded JSON; its error member is quoted if there is one.
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
