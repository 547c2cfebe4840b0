package env_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// settings holds one field of every type the project uses.
type settings struct {
	Text     string         `env:"TEXT" envDefault:"plain" doc:"A text."`
	Whole    int            `env:"WHOLE" envDefault:"8"`
	Big      int64          `env:"BIG"`
	Count    uint           `env:"COUNT"`
	Share    float64        `env:"SHARE" envDefault:"0.5"`
	Switch   bool           `env:"SWITCH"`
	Opposite bool           `env:"OPPOSITE" envDefault:"on"`
	Wait     time.Duration  `env:"WAIT" envDefault:"180s"`
	Pause    time.Duration  `env:"WAIT_MS" envDefault:"1500" alias:"PAUSE_MS, BREAK_MS"`
	Key      env.Secret     `env:"KEY"`
	Origins  []string       `env:"ORIGINS"`
	Proxies  []netip.Prefix `env:"PROXIES"`
	Nested   struct {
		Text string `env:"NESTED_TEXT" envDefault:"deep"`
	}
	Untagged string
	Left     string `env:"-"`
	LeftToo  struct {
		Text string `env:"TEXT"`
	} `env:"-"`
}

func defaults() settings {
	s := settings{Text: "plain", Whole: 8, Share: 0.5, Opposite: true, Wait: 180 * time.Second, Pause: 1500 * time.Millisecond}
	s.Nested.Text = "deep"
	return s
}

func TestLoadValues(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ []string
		want    func(*settings)
	}{
		"nothing set":            {nil, func(*settings) {}},
		"empty counts as absent": {[]string{"TEXT=", "WHOLE=", "WAIT= ", "SWITCH="}, func(*settings) {}},
		"unknown names":          {[]string{"UNKNOWN=1", "TEXTS=x", "=odd", "noequals", "-=x"}, func(*settings) {}},
		"text":                   {[]string{"TEXT=a=b $c"}, func(s *settings) { s.Text = "a=b $c" }},
		"text with blanks":       {[]string{"TEXT= a b\r"}, func(s *settings) { s.Text = "a b" }},
		"whole":                  {[]string{"WHOLE= 12 "}, func(s *settings) { s.Whole = 12 }},
		"whole zero":             {[]string{"WHOLE=0"}, func(s *settings) { s.Whole = 0 }},
		"whole negative":         {[]string{"WHOLE=-1"}, func(s *settings) { s.Whole = -1 }},
		"big":                    {[]string{"BIG=9000000000"}, func(s *settings) { s.Big = 9000000000 }},
		"count":                  {[]string{"COUNT=7"}, func(s *settings) { s.Count = 7 }},
		"share":                  {[]string{"SHARE=0.25"}, func(s *settings) { s.Share = 0.25 }},
		"switch true":            {[]string{"SWITCH=true"}, func(s *settings) { s.Switch = true }},
		"switch on":              {[]string{"SWITCH=on"}, func(s *settings) { s.Switch = true }},
		"switch ON":              {[]string{"SWITCH=ON"}, func(s *settings) { s.Switch = true }},
		"switch yes":             {[]string{"SWITCH=yes"}, func(s *settings) { s.Switch = true }},
		"switch 1":               {[]string{"SWITCH=1"}, func(s *settings) { s.Switch = true }},
		"opposite false":         {[]string{"OPPOSITE=False"}, func(s *settings) { s.Opposite = false }},
		"opposite off":           {[]string{"OPPOSITE=off"}, func(s *settings) { s.Opposite = false }},
		"opposite no":            {[]string{"OPPOSITE=no"}, func(s *settings) { s.Opposite = false }},
		"opposite 0":             {[]string{"OPPOSITE=0"}, func(s *settings) { s.Opposite = false }},
		"duration":               {[]string{"WAIT=1h30m"}, func(s *settings) { s.Wait = 90 * time.Minute }},
		"duration zero":          {[]string{"WAIT=0"}, func(s *settings) { s.Wait = 0 }},
		"milliseconds":           {[]string{"WAIT_MS=20"}, func(s *settings) { s.Pause = 20 * time.Millisecond }},
		"first alias wins":       {[]string{"WAIT_MS=1", "BREAK_MS=2", "PAUSE_MS=3"}, func(s *settings) { s.Pause = 3 * time.Millisecond }},
		"second alias wins":      {[]string{"WAIT_MS=1", "BREAK_MS=2"}, func(s *settings) { s.Pause = 2 * time.Millisecond }},
		"empty alias does not":   {[]string{"WAIT_MS=1", "PAUSE_MS="}, func(s *settings) { s.Pause = time.Millisecond }},
		"secret unchanged":       {[]string{"KEY= k,\"q\" "}, func(s *settings) { s.Key = " k,\"q\" " }},
		"list":                   {[]string{"ORIGINS=a, b,,c ,"}, func(s *settings) { s.Origins = []string{"a", "b", "c"} }},
		"list of own type":       {[]string{"PROXIES=10.0.0.0/8, ::1/128"}, func(s *settings) { s.Proxies = prefixes("10.0.0.0/8", "::1/128") }},
		"nested":                 {[]string{"NESTED_TEXT=x"}, func(s *settings) { s.Nested.Text = "x" }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := defaults()
			test.want(&want)
			var got settings
			if err := env.Load(test.environ, &got); err != nil {
				t.Fatalf("Load: %v", err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %#v\nwant %#v", got, want)
			}
		})
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestLoadFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ variable, value, want string }{
		"whole":              {"WHOLE", "planted", "WHOLE: expected a whole number of at most 2147483647"},
		"whole too large":    {"WHOLE", "2147483648", "WHOLE: expected a whole number of at most 2147483647"},
		"big too large":      {"BIG", "9223372036854775808", "BIG: expected a whole number of at most 9223372036854775807"},
		"count":              {"COUNT", "-1", "COUNT: expected a whole number that is not negative"},
		"share":              {"SHARE", "planted", "SHARE: expected a number"},
		"switch":             {"SWITCH", "planted", "SWITCH: expected on or off (or true, false, yes, no, 1, 0)"},
		"duration":           {"WAIT", "planted", "WAIT: expected a duration with its unit, such as 180s or 24h"},
		"duration unit":      {"WAIT", "180", "WAIT: expected a duration with its unit, such as 180s or 24h"},
		"duration negative":  {"WAIT", "-1s", "WAIT: expected a duration with its unit, such as 180s or 24h"},
		"milliseconds":       {"WAIT_MS", "1.5s", "WAIT_MS: expected a whole number of milliseconds, such as 1500"},
		"milliseconds below": {"WAIT_MS", "-1", "WAIT_MS: expected a whole number of milliseconds, such as 1500"},
		"milliseconds above": {"WAIT_MS", "9223372036854775807", "WAIT_MS: expected a whole number of milliseconds, such as 1500"},
		"alias":              {"PAUSE_MS", "planted", "PAUSE_MS: expected a whole number of milliseconds, such as 1500"},
		"nested number":      {"DEEP", "planted", "DEEP: expected a whole number of at most 127"},
		"own type":           {"LEVEL", "planted", "LEVEL: expected high or low"},
		"list of own type":   {"LEVELS", "high,planted", "LEVELS: expected a list separated by commas, each entry high or low"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			more := struct {
				Level  level   `env:"LEVEL"`
				Levels []level `env:"LEVELS"`
				Inner  struct {
					Deep int8 `env:"DEEP"`
				}
			}{}
			err := env.Load([]string{test.variable + "=" + test.value}, &settings{}, &more)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			var fault *env.Fault
			if !errors.As(err, &fault) || fault.Name != test.variable {
				t.Errorf("got %#v, want a fault of %s", err, test.variable)
			}
		})
	}
}

// level is a type that parses itself.
type level string

func (l *level) UnmarshalText(text []byte) error {
	if *l = level(text); *l == "high" || *l == "low" {
		return nil
	}
	return errors.New("expected high or low")
}

// bounded has a rule beyond its types.
type bounded struct {
	Slots int `env:"SLOTS" envDefault:"4"`
}

func (b *bounded) Validate() error {
	if b.Slots < 1 {
		return &env.Fault{Name: "SLOTS", Expected: "at least 1"}
	}
	return nil
}

func TestLoadReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	var (
		first  settings
		second bounded
		third  struct {
			Must  env.Secret `env:"MUST,required"`
			Maybe *int       `env:"MAYBE"`
		}
	)
	err := env.Load([]string{"WHOLE=planted", "WAIT=planted", "TEXT=kept", "SLOTS=0", "MAYBE=planted"}, &first, &second, &third)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"WHOLE: expected a whole number of at most 2147483647",
		"WAIT: expected a duration with its unit, such as 180s or 24h",
		"SLOTS: expected at least 1",
		"MUST: expected a value, it is required",
		"MAYBE: expected a whole number of at most 2147483647",
	}
	if got := strings.Split(err.Error(), "\n"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if first.Text != "kept" {
		t.Errorf("a setting without a fault was not set: %q", first.Text)
	}
	if strings.Contains(err.Error(), "planted") {
		t.Errorf("the error contains a value: %v", err)
	}
}

func TestLoadSkipsRulesOfAStructWithFaults(t *testing.T) {
	t.Parallel()
	err := env.Load([]string{"SLOTS=x"}, &bounded{})
	if err == nil || strings.Contains(err.Error(), "at least 1") {
		t.Errorf("got %v, want the fault of the type alone", err)
	}
}

func TestLoadKeepsPreset(t *testing.T) {
	t.Parallel()
	preset := struct {
		Addr string `env:"ADDR"`
	}{Addr: "127.0.0.1:9091"}
	if err := env.Load([]string{"ADDR="}, &preset); err != nil || preset.Addr != "127.0.0.1:9091" {
		t.Errorf("got %q, %v", preset.Addr, err)
	}
	if err := env.Load([]string{"ADDR=:1"}, &preset); err != nil || preset.Addr != ":1" {
		t.Errorf("got %q, %v", preset.Addr, err)
	}
}

func TestLoadRejectsUnsupportedTargets(t *testing.T) {
	t.Parallel()
	var missing *settings
	tests := map[string]any{
		"value":          settings{},
		"nil":            nil,
		"nil pointer":    missing,
		"pointer to int": new(int),
		"unexported field": &struct {
			hidden string `env:"HIDDEN"`
		}{},
		"unknown option": &struct {
			Text string `env:"TEXT,require"`
		}{},
		"no name": &struct {
			Text string `env:",required"`
		}{},
	}
	for name, target := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := env.Load(nil, target); err == nil || !strings.HasPrefix(err.Error(), "load settings: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}
