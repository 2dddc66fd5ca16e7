package checks

import (
	"context"
	"crypto/tls"
	"net/http"
	"strconv"
	"testing"
	"time"

	bmclib "github.com/bmc-toolbox/bmclib/v2"
	"github.com/stmcginnis/gofish"

	"lamplighter/checks/peers"
)

// BenchmarkRound is a whole Redfish round: connect, log in, read the power state, log out. The BMC is in the same process, so
// its CPU time and garbage count too, for each client alike.
func BenchmarkRound(b *testing.B) {
	bmc := newBMC(b, nil)
	for _, client := range []struct {
		name  string
		round func(*testing.B)
	}{
		{"ours", func(b *testing.B) {
			mustEnd(b, goRound(b.Context(), b, visitTo(b, bmc.URL, Known{}), 10*time.Second), Power, "")
		}},
		{"gofish as it comes", func(b *testing.B) { gofishRound(b, bmc.URL) }},
		{"bmclib with its gofish driver only", func(b *testing.B) { bmclibRound(b, bmc.URL) }},
	} {
		b.Run(client.name, func(b *testing.B) {
			b.ReportAllocs()
			before, handshakes := peers.UsedCPU(b), bmc.handshakes.Load()
			for b.Loop() {
				client.round(b)
			}
			before.Report(b, b.N)
			b.ReportMetric(float64(bmc.handshakes.Load()-handshakes)/float64(b.N), "handshakes/op")
		})
	}
}

func bmclibRound(b *testing.B, url string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	at := bmcAt(b, url)
	client := bmclib.NewClient(at.Address.String(), bmcUser, bmcPassword, bmclib.WithRedfishPort(strconv.Itoa(int(at.Port))))
	client.Registry.Drivers = client.Registry.For("gofish")
	if err := client.Open(ctx); err != nil {
		b.Fatal(err)
	}
	if state, err := client.GetPowerState(ctx); err != nil || state != "On" {
		b.Fatal(state, err)
	}
	if err := client.Close(ctx); err != nil {
		b.Fatal(err)
	}
}

func gofishRound(b *testing.B, url string) {
	b.Helper()
	client, err := gofish.Connect(gofish.ClientConfig{
		Endpoint: url, Username: bmcUser, Password: bmcPassword,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Logout()
	systems, err := client.Service.Systems()
	if err != nil || len(systems) != 1 || systems[0].PowerState != "On" {
		b.Fatalf("%v, %v", systems, err)
	}
}
