package processor_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs more tests at once than there are CPUs, unless -parallel is set: they mostly wait for deadlines and
// redeliveries.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "8"); err != nil {
			os.Exit(2)
		}
	}
	goleak.VerifyTestMain(m)
}
