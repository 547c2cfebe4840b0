package deploy_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestMain(m *testing.M) { brokertest.Main(m, 4).Run() }
