package app_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }
