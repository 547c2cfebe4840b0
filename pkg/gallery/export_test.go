package gallery

// After has fail called behind each write; its error ends the act there, as a crash would.
func After(fail func(Step) error) Option { return func(g *Gallery) { g.after = fail } }

// DecodeIndex reads a stored index.
func DecodeIndex(data []byte) error {
	_, err := decodeIndex(data)
	return err
}
