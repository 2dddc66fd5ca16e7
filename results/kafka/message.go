package kafka

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"lamplighter/results/spool"
)

// The topics that verdicts and gaps go to; Topics has all.
const (
	VerdictTopic = "bmc.verdict.v1"
	AuditTopic   = "bmc.audit.v1"
)

// Where a kind of record goes and what it is called in CloudEvents' headers.
var kinds = map[spool.Kind]struct{ topic, name, schema string }{
	spool.Verdict: {VerdictTopic, VerdictTopic, "urn:lamplighter:verdict:v1"},
	spool.Gap:     {AuditTopic, "bmc.gap.v1", "urn:lamplighter:gap:v1"},
}

// message is a record as Kafka gets it: CloudEvents 1.0 in the binary mode of its Kafka binding (section 3.2). rounds is an
// extension: how many rounds the record stands for.
func (c Config) message(r spool.Record) *sarama.ProducerMessage {
	kind, key := kinds[r.Kind], string(r.BMC)
	if r.Kind == spool.Gap {
		key = c.Satellite
	}
	m := &sarama.ProducerMessage{Topic: kind.topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(r.Value)}
	for _, header := range [][2]string{
		{"ce_specversion", "1.0"},
		{"ce_id", r.ID},
		{"ce_type", kind.name},
		{"ce_source", source(c.Site, c.Satellite)},
		{"ce_time", r.At.UTC().Format(time.RFC3339Nano)},
		{"ce_subject", key},
		{"ce_dataschema", kind.schema},
		{"ce_rounds", strconv.FormatUint(r.Rounds, 10)},
		{"content-type", "application/json"},
	} {
		if r.Kind == spool.Gap && header[0] == "ce_rounds" {
			continue // it stands for none
		}
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
	}
	return m
}

func source(site, satellite string) string {
	return fmt.Sprintf("/site/%s/satellite/%s", url.PathEscape(site), url.PathEscape(satellite))
}
