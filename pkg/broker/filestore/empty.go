package filestore

import (
	"path/filepath"
	"slices"
)

// emptyFile lists the streams without a message of a store on which a server is about to start. The server removes the empty block of
// such a stream before it creates the next, so that a kill in between leaves a stream without blocks, of which nothing is lost.
const emptyFile = "empty.json"

// recordEmpty records which streams have no message.
func (s *Store) recordEmpty() error {
	dirs, err := s.streamDirs()
	if err != nil {
		return err
	}
	empty := slices.DeleteFunc(dirs, func(rel string) bool { return !isEmpty(filepath.Join(s.dir, rel)) })
	if len(empty) == 0 {
		return s.Started()
	}
	return writeFile(filepath.Join(s.dir, emptyFile), empty)
}

// Started forgets which streams had no message. It must be called when the server has opened the store, before it stores
// anything.
func (s *Store) Started() error { return remove(filepath.Join(s.dir, emptyFile)) }

// wereEmpty returns the streams that had no message when a start was interrupted; none when the file is missing or damaged.
func (s *Store) wereEmpty() []string {
	var empty []string
	if readFile(filepath.Join(s.dir, emptyFile), &empty) != nil {
		return nil
	}
	return empty
}
