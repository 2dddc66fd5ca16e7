package checks

import (
	"net/http"
	"testing"
	"time"

	"crypto/tls"

	"github.com/stmcginnis/gofish"
)

// BenchmarkRound is a whole Redfish round: connect, log in, read the power state, log out.
func BenchmarkRound(b *testing.B) {
	bmc := newBMC(b, nil)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := goRound(b.Context(), b, visitTo(b, bmc.URL, Known{}), 10*time.Second)
			mustEnd(b, r, Power, "")
		}
	})
	b.Run("default gofish", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gofishRound(b, bmc.URL)
		}
	})
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
