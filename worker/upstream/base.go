package upstream

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseBase parses the base URL of an upstream and returns it without trailing slashes and the given path endings. An
// empty value remains empty. The error of an invalid URL names the setting and never quotes the value, which may contain
// a key.
func ParseBase(setting, value string, endings ...string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not a valid URL", setting)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%s must begin with http:// or https://", setting)
	case u.Hostname() == "":
		return "", fmt.Errorf("%s has no host", setting)
	case u.User != nil:
		return "", fmt.Errorf("%s must not contain a user name or password", setting)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%s must not contain a query or a fragment; the key has its own setting", setting)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for changed := true; changed; {
		changed = false
		for _, ending := range endings {
			if shorter, ok := strings.CutSuffix(path, ending); ok {
				path, changed = strings.TrimRight(shorter, "/"), true
			}
		}
	}
	return u.Scheme + "://" + u.Host + path, nil
}
