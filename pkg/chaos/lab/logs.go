//go:build unix

package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// loud is how many lines a program may log within one second; more is a loop.
const loud = 1000

// unexplained is in the line of a request that was answered as an internal error.
const unexplained = `"status":500`

// readLogs looks through a program's log for what must not be there. It returns how many lines were written in the busiest
// second, and those of requests for whose failure the program had no name.
func (p *plant) readLogs(c *process) (busiest int, odd []string) {
	file, err := os.Open(c.logPath())
	if err != nil {
		p.book.Fault("%v", err)
		return 0, nil
	}
	defer func() { _ = file.Close() }()
	var second string
	var inSecond int
	var sample []byte
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		text := lines.Bytes()
		for _, bad := range []string{"panic: ", "attempt panicked", "DATA RACE", "fatal error: ", "goroutine "} {
			if bytes.Contains(text, []byte(bad)) {
				p.book.Fault("%s: %.300s", c.name, text)
				break
			}
		}
		if bytes.Contains(text, []byte(unexplained)) {
			odd = append(odd, fmt.Sprintf("%.400s", text))
		}
		var line struct {
			Time string `json:"time"`
		}
		if json.Unmarshal(text, &line) != nil || len(line.Time) < len("2006-01-02T15:04:05") {
			continue
		}
		if at := line.Time[:len("2006-01-02T15:04:05")]; at != second {
			second, inSecond = at, 0
		}
		if inSecond++; inSecond > busiest {
			busiest, sample = inSecond, bytes.Clone(text)
		}
	}
	if err := lines.Err(); err != nil {
		p.book.Fault("read log of %s: %v", c.name, err)
	}
	if busiest > loud {
		p.book.Fault("%s logged %d lines within a second, such as %s", c.name, busiest, fmt.Sprintf("%.300s", sample))
	}
	return busiest, odd
}
