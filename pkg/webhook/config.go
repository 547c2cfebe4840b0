package webhook

import (
	"net/netip"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config holds the settings of webhooks.
type Config struct {
	Allow []string `env:"WEBHOOK_ALLOW" doc:"Networks in CIDR notation, separated by commas, to which webhooks may be sent although they are not public, such as 10.1.2.0/24; there http and any port are allowed. All other webhooks need https on port 443 or 8443 of a public address."`
}

// Validate reports a setting that is no list of networks.
func (c *Config) Validate() error {
	if _, err := c.networks(); err != nil {
		return &env.Fault{Name: "WEBHOOK_ALLOW", Expected: "networks in CIDR notation separated by commas, such as 10.1.2.0/24"}
	}
	return nil
}

func (c *Config) networks() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, len(c.Allow))
	for i, text := range c.Allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		networks[i] = network.Masked()
	}
	return networks, nil
}
