package env_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	type holder struct {
		Key  env.Secret
		List []env.Secret
		Map  map[string]env.Secret
		Any  any
	}
	const planted = env.Secret("planted")
	value := holder{Key: planted, List: []env.Secret{planted}, Map: map[string]env.Secret{"k": planted}, Any: planted}

	outputs := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f", "%c", "%U", "%T %[1]v", "%!"} {
		outputs[verb] = fmt.Sprintf(verb, planted)
		outputs[verb+" in a struct"] = fmt.Sprintf(verb, value)
		outputs[verb+" behind a pointer"] = fmt.Sprintf(verb, &value)
	}
	outputs["wrapped"] = fmt.Errorf("call: %w %v", fmt.Errorf("key %s", planted), value).Error()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	outputs["json"] = string(encoded)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", planted, "value", value, "any", &value)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", planted, "value", value, "any", &value)
	outputs["slog"] = log.String()

	hexed := fmt.Sprintf("%x", "planted")
	for name, output := range outputs {
		if strings.Contains(output, "planted") || strings.Contains(strings.ToLower(output), hexed) {
			t.Errorf("%s shows the secret: %s", name, output)
		}
	}
	for _, name := range []string{"%v", "%+v", "%#v", "%s", "json", "slog"} {
		if !strings.Contains(outputs[name], "***") {
			t.Errorf("%s does not show that a secret is set: %s", name, outputs[name])
		}
	}
	if planted.Reveal() != "planted" {
		t.Errorf("Reveal returned %q", planted.Reveal())
	}
}

func TestEmptySecretPrintsAsNothing(t *testing.T) {
	t.Parallel()
	var none env.Secret
	encoded, err := json.Marshal(none)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("[%v%+v%#v%s]", none, none, none, none) + string(encoded); got != `[]""` {
		t.Errorf("got %s", got)
	}
}
