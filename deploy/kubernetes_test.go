package deploy_test

import (
	"regexp"
	"testing"
)

// TestScalerFindsNATS requires the full name of the service: KEDA resolves it in its own namespace, not in that of the workers.
func TestScalerFindsNATS(t *testing.T) {
	t.Parallel()
	namespace := regexp.MustCompile(`(?m)^namespace: (\S+)$`).FindStringSubmatch(read(t, "kubernetes/overlays/production/kustomization.yaml"))
	if namespace == nil {
		t.Fatal("the production overlay has no namespace")
	}
	triggers := read(t, "kubernetes/components/keda/scaled-object.yaml")
	endpoints := regexp.MustCompile(`natsServerMonitoringEndpoint: "([^"]*)"`).FindAllStringSubmatch(triggers, -1)
	if len(endpoints) == 0 {
		t.Fatal("the scaler has no triggers on NATS")
	}
	want := "nats-headless." + namespace[1] + ".svc:8222"
	for _, endpoint := range endpoints {
		if endpoint[1] != want {
			t.Errorf("got endpoint %q, want %q", endpoint[1], want)
		}
	}
}
