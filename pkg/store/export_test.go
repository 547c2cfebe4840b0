package store

// SetAfter has f called behind each step of a deletion; its error stops that there, as a crash would.
func (s *Store) SetAfter(f func(Step) error) { s.after = f }
