package env

import (
	"net"
	"strconv"
)

const maxPort = 65535

// CheckAddress returns a *Fault for the named setting unless value is a listen address: an optional host and a numeric port
// up to 65535.
func CheckAddress(name, value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		var n uint64
		n, err = strconv.ParseUint(port, 10, 32)
		if err == nil && n <= maxPort {
			return nil
		}
	}
	return &Fault{Name: name, Expected: "an address such as 127.0.0.1:8080, with a port of at most 65535"}
}
