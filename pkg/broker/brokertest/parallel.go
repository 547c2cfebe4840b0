package brokertest

import (
	"flag"
	"strconv"
	"testing"
)

// Main returns m after it has set how many of its tests run at a time, unless -parallel is set. It is for packages whose tests mostly
// wait for deadlines and redeliveries, and need little CPU time meanwhile.
func Main(m *testing.M, parallel int) *testing.M {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
			panic(err)
		}
	}
	return m
}
