package upstream

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseBase parses the base URL of an upstream as operators write it. It removes a trailing slash and the given endings,
// repeatedly. An empty value stays empty. It fails, naming the setting and never quoting the value, if no request can be
// built on the URL.
func ParseBase(setting, value string, endings ...string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not an address", setting)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%s must begin with http:// or https://", setting)
	case u.Hostname() == "":
		return "", fmt.Errorf("%s names no host", setting)
	case u.User != nil:
		return "", fmt.Errorf("%s must not hold a user name or password", setting)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%s must not hold a query or a fragment; a key has a setting of its own", setting)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for again := true; again; {
		again = false
		for _, ending := range endings {
			if shorter, cut := strings.CutSuffix(path, ending); cut {
				path, again = strings.TrimRight(shorter, "/"), true
			}
		}
	}
	return u.Scheme + "://" + u.Host + path, nil
}
