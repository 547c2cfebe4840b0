package hostname_test

import (
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// A server with one public host name that also accepts requests from its own machine.
func Example() {
	public, err := hostname.Parse([]string{"images.example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts := public.With(hostname.Loopback())
	for _, host := range []string{"images.example.org", "localhost:8080", "rebound.example.com"} {
		fmt.Println(host, hosts.Allows(host))
	}
	// Output:
	// images.example.org true
	// localhost:8080 true
	// rebound.example.com false
}
