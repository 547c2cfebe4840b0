//go:build unix

package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// maxLinesPerSecond is how many lines a program may log in one second; more indicate a loop.
const maxLinesPerSecond = 1000

// internalError is in the log line of a request that returned 500.
const internalError = `"status":500`

// checkLog checks the log of a program for panics, data races and too many lines. It returns the number of lines in the
// busiest second, and the lines of requests that returned 500.
func (cl *cluster) checkLog(c *process) (busiest int, internalErrors []string) {
	file, err := os.Open(c.logPath())
	if err != nil {
		cl.model.Violation("%v", err)
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
				cl.model.Violation("%s: %.300s", c.name, text)
				break
			}
		}
		if bytes.Contains(text, []byte(internalError)) {
			internalErrors = append(internalErrors, fmt.Sprintf("%.400s", text))
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
		cl.model.Violation("read log of %s: %v", c.name, err)
	}
	if busiest > maxLinesPerSecond {
		cl.model.Violation("%s logged %d lines in one second, such as %s", c.name, busiest, fmt.Sprintf("%.300s", sample))
	}
	return busiest, internalErrors
}
