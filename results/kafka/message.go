package kafka

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"lamplighter/results/spool"
)

// The topics that records go to; Topics has all.
const (
	VerdictTopic = "bmc.verdict.v1"
	AuditTopic   = "bmc.audit.v1" // gaps, skips, tallies, acts
	DeadTopic    = "bmc.dead.v1"
	StateTopic   = "bmc.state.v1"  // compacted: the newest state of each BMC
	ChangeTopic  = "bmc.change.v1" // what changed in it

	IncidentTopic = "bmc.incident.v1" // compacted: the newest document of each incident
	SilenceTopic  = "bmc.silence.v1"  // compacted: the newest of each silence and maintenance
	TicketTopic   = "bmc.ticket.v1"   // compacted: what each desk has of each incident

	InventoryTopic = "bmc.inventory.v1" // compacted: the newest record of each BMC, of each site's snapshot, and what who syncs says of it
)

// What records are called in CloudEvents' header ce_type.
const (
	VerdictType = VerdictTopic
	GapType     = "bmc.gap.v1"
	SkipType    = "bmc.skip.v1"
	TallyType   = "bmc.tally.v1"
	DeadType    = DeadTopic
	ActType     = "bmc.act.v1"
)

// ActSchemaURN is an act's ce_dataschema.
const ActSchemaURN = "urn:lamplighter:act:v1"

// Where a kind of record goes and what it is called in CloudEvents' headers.
var kinds = map[spool.Kind]struct{ topic, name, schema string }{
	spool.Verdict:    {VerdictTopic, VerdictType, "urn:lamplighter:verdict:v1"},
	spool.Gap:        {AuditTopic, GapType, "urn:lamplighter:gap:v1"},
	spool.Skip:       {AuditTopic, SkipType, "urn:lamplighter:skip:v1"},
	spool.Tally:      {AuditTopic, TallyType, "urn:lamplighter:tally:v1"},
	spool.Act:        {AuditTopic, ActType, ActSchemaURN},
	spool.DeadLetter: {DeadTopic, DeadType, "urn:lamplighter:dead:v1"},
}

// message is a record as Kafka gets it: CloudEvents 1.0 in the binary mode of its Kafka binding (section 3.2). rounds is an
// extension: how many rounds the record stands for.
func (c Config) message(r spool.Record) *sarama.ProducerMessage {
	kind, key := kinds[r.Kind], string(r.BMC)
	if r.BMC == "" {
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
		if r.BMC == "" && header[0] == "ce_rounds" {
			continue // it stands for none
		}
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
	}
	return m
}

func source(site, satellite string) string {
	return fmt.Sprintf("/site/%s/satellite/%s", url.PathEscape(site), url.PathEscape(satellite))
}
