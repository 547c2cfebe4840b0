package filestore

import (
	"maps"
	"path/filepath"
	"sync"
	"time"
)

const (
	// floorsFile contains, by stream, the oldest block that may not be on disk. A power failure may have cut off that one and
	// those after it, without a loss of anything that was confirmed.
	floorsFile = "synced.json"
	// floorsInterval is the shortest time between two writes of that file. In between, more blocks than necessary count as
	// not being on disk.
	floorsInterval = time.Minute
)

// floors are the oldest blocks that may not be on disk.
type floors struct {
	mu      sync.Mutex
	blocks  map[string]int
	written time.Time
}

// raiseFloor records that the blocks of a stream before the given one are on disk, and from time to time writes the record.
func (s *Store) raiseFloor(stream string, block int) error {
	s.floors.mu.Lock()
	defer s.floors.mu.Unlock()
	before := s.floors.blocks[stream]
	if before == block {
		return nil
	}
	if s.floors.blocks == nil {
		s.floors.blocks = make(map[string]int)
	}
	s.floors.blocks[stream] = block
	// The numbers of a stream may begin anew.
	if now := s.now(); block > before && now.Sub(s.floors.written) < floorsInterval {
		return nil
	}
	return s.writeFloors()
}

// lastBlocks returns the last block of each stream.
func (s *Store) lastBlocks() (map[string]int, error) {
	dirs, err := s.streamDirs()
	if err != nil {
		return nil, err
	}
	last := make(map[string]int, len(dirs))
	for _, rel := range dirs {
		if numbers := blocks(filepath.Join(s.dir, rel, messagesDir)); len(numbers) > 0 {
			last[filepath.Base(rel)] = numbers[len(numbers)-1]
		}
	}
	return last, nil
}

// recordFloors records that the blocks of each stream before the given one are on disk.
func (s *Store) recordFloors(blocks map[string]int) error {
	s.floors.mu.Lock()
	defer s.floors.mu.Unlock()
	s.floors.blocks = blocks
	if maps.Equal(s.floors.blocks, s.readFloors()) {
		return nil
	}
	return s.writeFloors()
}

// currentFloors returns the floors of this process, or else the recorded ones.
func (s *Store) currentFloors() map[string]int {
	s.floors.mu.Lock()
	defer s.floors.mu.Unlock()
	if s.floors.blocks != nil {
		return maps.Clone(s.floors.blocks)
	}
	return s.readFloors()
}

func (s *Store) writeFloors() error {
	s.floors.written = s.now()
	return writeFile(filepath.Join(s.dir, floorsFile), s.floors.blocks)
}

// readFloors returns the recorded floors; none when the file is missing or damaged, in which case only the last block of a
// stream counts as not being on disk.
func (s *Store) readFloors() map[string]int {
	var floors map[string]int
	if readFile(filepath.Join(s.dir, floorsFile), &floors) != nil {
		return nil
	}
	return floors
}
