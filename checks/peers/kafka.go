package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Kafka is a real Kafka: one KRaft node, broker and controller in one JVM, without TLS and without topics.
type Kafka struct {
	*process
	// Address is the broker's, host:port; it stays the same over a restart.
	Address string

	java, config string
}

// kafkaWait is how long a JVM may take until the broker answers, on a busy machine.
const kafkaWait = 60 * time.Second

// kafkaCluster is the ID of every cluster that tests start: 16 bytes in base64.
const kafkaCluster = "bGFtcGxpZ2h0ZXItdGVzdA"

// StartKafka starts a broker whose data ends with the test.
func StartKafka(t testing.TB) *Kafka {
	t.Helper()
	java := Need(t, KafkaPeer)
	var err error
	for range startTries {
		k := &Kafka{java: java, Address: fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))}
		if err = k.format(t); err != nil {
			break
		}
		if err = k.start(t); err == nil {
			return k
		}
	}
	t.Fatalf("peers: %v", err)
	return nil
}

// Kill ends the broker as kill -9 does.
func (k *Kafka) Kill() { k.kill() }

// Restart starts the broker again, with the data that it had; now it ends with t.
func (k *Kafka) Restart(t testing.TB) {
	t.Helper()
	if err := k.start(t); err != nil {
		t.Fatalf("peers: %v", err)
	}
}

func (k *Kafka) format(t testing.TB) error {
	t.Helper()
	dir := t.TempDir()
	k.config = filepath.Join(dir, "kafka.properties")
	controller := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	write(t, k.config, []byte(kafkaProperties(k.Address, controller, filepath.Join(dir, "data"))), 0o600)
	said, err := k.command("kafka.tools.StorageTool", "format", "-t", kafkaCluster, "-c", k.config).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format kafka's data: %w; it said:\n%s", err, said)
	}
	return nil
}

func kafkaProperties(address, controller, data string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + address + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + address,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + data,
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=2",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=2",
		"group.initial.rebalance.delay.ms=0",
		"log.segment.bytes=16777216",
	}, "\n") + "\n"
}

// command runs a class of Kafka's. The heap is small and the compiler quick, because a test's broker lives for seconds.
func (k *Kafka) command(class string, args ...string) *exec.Cmd {
	libs := filepath.Join(moduleRoot(), ".peers", "kafka", "libs", "*")
	return exec.Command(k.java, append([]string{"-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", libs, class}, args...)...)
}

func (k *Kafka) start(t testing.TB) error {
	t.Helper()
	p, err := run(t, k.command("kafka.Kafka", k.config))
	if err != nil {
		return err
	}
	k.process = p
	ctx, cancel := context.WithTimeoutCause(t.Context(), kafkaWait, errors.New("no answer"))
	defer cancel()
	for ctx.Err() == nil {
		if answersKafka(k.Address) {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("kafka ended; it said:\n%s", p.output.String())
		default:
			pause(ctx, 100*time.Millisecond)
		}
	}
	p.kill()
	return fmt.Errorf("wait for kafka on %s: %w; it said:\n%s", k.Address, context.Cause(ctx), p.output.String())
}

// answersKafka asks for the versions of the API, which every broker answers before anything else: request 18, version 0.
func answersKafka(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}); err != nil {
		return false
	}
	answer := make([]byte, 8)
	_, err = io.ReadFull(conn, answer)
	return err == nil && binary.BigEndian.Uint32(answer[4:]) == 1
}

// kafkaJava is java, where .ci/peers has fetched Kafka too.
func kafkaJava() string {
	jars, err := filepath.Glob(filepath.Join(moduleRoot(), ".peers", "kafka", "libs", "kafka_2.13-*.jar"))
	if err != nil || len(jars) == 0 {
		return ""
	}
	return program("java")
}

// Kcat runs kcat, a Kafka client that nobody here wrote, and returns what it printed.
func Kcat(t testing.TB, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkaWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, Need(t, KcatPeer), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v; it said:\n%s", cmd, err, said.String())
	}
	return out
}
