package env_test

import (
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Every fault is reported at once, by the name of its variable and without its value.
func ExampleLoad() {
	type config struct {
		Timeout time.Duration `env:"TIMEOUT" envDefault:"30s"`
		Workers int           `env:"WORKERS" envDefault:"4"`
		Token   env.Secret    `env:"TOKEN"`
	}
	var cfg config
	err := env.Load([]string{"TIMEOUT=2m", "TOKEN=sk-secret"}, &cfg)
	fmt.Println(cfg, err)

	fmt.Println(env.Load([]string{"TIMEOUT=soon", "WORKERS=many"}, &cfg))
	// Output:
	// {2m0s 4 ***} <nil>
	// TIMEOUT: expected a duration with its unit, such as 180s or 24h
	// WORKERS: expected a whole number of at most 2147483647
}
