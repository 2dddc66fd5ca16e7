package peers_test

import (
	"strings"
	"testing"

	"lamplighter/checks/peers"
)

func TestKafkaIsTheSameAfterKillAndRestart(t *testing.T) {
	kafka := peers.StartKafka(t)
	kafka.Kill()
	kafka.Restart(t)
	if said := string(peers.Kcat(t, "-b", kafka.Address, "-L")); !strings.Contains(said, kafka.Address+" (controller)") {
		t.Errorf("kcat found %s", said)
	}
}
