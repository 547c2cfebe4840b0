package app

// Verifies reports whether new accounts have to confirm their address.
func Verifies(c Config) bool { return c.verifies() }
