package follow_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
)

// failing is the incident that each BMC fails in, by the store in a directory.
func failing(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := map[string]string{}
	for _, i := range incidentsOf(t, s) {
		members, err := s.Members(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if !m.Left.IsZero() {
				continue
			}
			if i.Status == results.Resolved || in[string(m.BMC)] != "" {
				t.Errorf("%s fails in %s, which is %s, and in %q", m.BMC, i.ID, i.Status, in[string(m.BMC)])
			}
			in[string(m.BMC)] = i.ID
		}
	}
	return in
}

func incidentsOf(t *testing.T, s store.Store) (all []results.Incident) {
	t.Helper()
	if err := s.Incidents(t.Context(), store.WhichIncidents{}, func(k store.KeptIncident) bool { all = append(all, k.Incident); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

// checkIncidents wants on Kafka each document of each incident once, in order, the newest as the store has it, and every BMC that
// fails in one incident.
func checkIncidents(t *testing.T, address, dir string) {
	t.Helper()
	newest := map[string]results.Incident{}
	for _, r := range peers.Records(t, kafka.IncidentTopic, address) {
		var i results.Incident
		if err := json.Unmarshal(r.Value, &i); err != nil {
			t.Fatal(err)
		}
		schematest.Validate(t, "incident.v1", r.Value)
		if i.Seq != newest[i.ID].Seq+1 || string(r.Key) != i.ID {
			t.Errorf("%s: %d after %d", i.ID, i.Seq, newest[i.ID].Seq)
		}
		newest[i.ID] = i
	}
	states, in := kept(t, dir), failing(t, dir)
	// Who is on trial to be well again begins none.
	for bmc, s := range states {
		if hard := s.Health == checks.Unavailable || s.Health == checks.Degraded; hard && s.Soft == nil && in[bmc] == "" {
			t.Errorf("%s fails and is in no incident", bmc)
		}
	}
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := incidentsOf(t, s)
	for _, i := range all {
		if !reflect.DeepEqual(newest[i.ID], i) {
			t.Errorf("%s:\n kafka %+v\n store %+v", i.ID, newest[i.ID], i)
		}
	}
	t.Logf("%d incidents on the topic, %d kept, %d BMCs fail", len(newest), len(all), len(in))
	if len(newest) < 10 || len(newest) != len(all) {
		t.Errorf("%d incidents on the topic, %d kept: they should be the same, and not so few", len(newest), len(all))
	}
}
