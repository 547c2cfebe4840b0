package server_test

import (
	"net/http"
	"testing"
)

// TestKeyWithoutBearer sends an API key without the scheme, which must not make its member a guest, and schemes that a proxy adds.
func TestKeyWithoutBearer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	key := b.newKey(t, bearer(ann.Token), fields{"scopes": []string{"submit", "read"}}).Key
	bare := header("Authorization", key)
	for _, path := range []string{"/api/quota", "/api/jobs"} {
		b.get(t, path, bare).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", "Authorization: Bearer", invalidKeyChallenge)
	}
	b.submit(t, goodBody, bare).keyProblem(t, http.StatusUnauthorized, "invalid_api_key", "Authorization: Bearer", invalidKeyChallenge)
	b.get(t, "/v1/models", bare).openAIError(t, http.StatusUnauthorized, "invalid_api_key")
	b.get(t, "/api/quota", bearer(key)).expect(t, http.StatusOK)
	for _, value := range []string{"Basic dDJpOng=", "Token " + key, "Bearer "} {
		b.get(t, "/api/quota", header("Authorization", value)).expect(t, http.StatusOK)
	}
}
