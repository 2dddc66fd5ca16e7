package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// docsReader is somebody who follows a page in an empty directory, with one simulated BMC for the real one at 10.1.2.3.
type docsReader struct {
	repository         string
	bmc                inventory.BMC
	username, password string
	api                string          // of the lamplighter all that runs beside, once somebody asks it
	keySeen            map[string]bool // the commands that recorded the BMC's key under tofu: by its address, by its ID
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

func newReader(t *testing.T, page string) *docsReader {
	t.Helper()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("XDG_STATE_HOME", "state")
	r := &docsReader{repository: root, keySeen: map[string]bool{}}
	r.simulate(t)
	// What the page says that the reader has: a list of BMCs, and a keyring as the page shows it.
	write(t, "bmcs.csv", fmt.Sprintf("id,address,port,protocol,ping\nsrv-1,%s,%d,redfish,tcp\n", r.bmc.Address, r.bmc.Port))
	if block := yamlBlock.FindStringSubmatch(page); block != nil {
		write(t, "keyring.yaml", strings.ReplaceAll(block[1], "monitor", r.username))
	}
	if err := os.Mkdir("deploy", 0o700); err != nil {
		t.Fatal(err)
	}
	example := read(t, filepath.Join(root, "deploy/lamplighter.yaml"))
	write(t, "deploy/lamplighter.yaml", example)
	return r
}

func (r *docsReader) simulate(t *testing.T) {
	t.Helper()
	fleet, err := bmcsim.NewFleet(bmcsim.One(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, fleet, t.TempDir())
	r.bmc = fleet.BMCs()[0]
	credentials, err := fleet.Credentials(t.Context(), r.bmc.Login)
	if err != nil {
		t.Fatal(err)
	}
	r.username, r.password = credentials.Username, credentials.Password.Reveal()
}

// mine is a word of a command with what only its reader can know.
func (r *docsReader) mine(word string) []string {
	switch word {
	case "10.1.2.3":
		return []string{r.bmc.Address.String(), "--port", fmt.Sprint(r.bmc.Port), "--ping", "tcp"}
	case "monitor":
		return []string{r.username}
	}
	return []string{word}
}

// edit is what the reader does in an editor.
func (r *docsReader) edit(t *testing.T, file string) {
	t.Helper()
	switch {
	case strings.HasSuffix(file, ".password"):
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v: want mode 0600 before a password is in it", file, info, err)
		}
		write(t, file, r.password+"\n")
	case strings.HasSuffix(file, "lamplighter.yaml"):
		text := read(t, file)
		for was, is := range map[string]string{
			"/etc/lamplighter/inventory.csv": "bmcs.csv", "/etc/lamplighter/keyring.yaml": "keyring.yaml",
			"/var/lib/lamplighter/memory": "memory", "/var/lib/lamplighter/results": "results", "127.0.0.1:9618": "127.0.0.1:0", "trust: ca": "trust: insecure", "loopback: false": "loopback: true", "interval: 5m": "interval: 1s",
		} {
			if !strings.Contains(text, was) {
				t.Errorf("%s has no %s", file, was)
			}
			text = strings.ReplaceAll(text, was, is)
		}
		write(t, file, text)
	default:
		t.Errorf("this test does not know what to write into %s", file)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve runs a fleet until the test ends, with its inventory, keyring and CA in dir.
func serve(t *testing.T, fleet *bmcsim.Fleet, dir string) {
	t.Helper()
	if err := errors.Join(fleet.Listen(0, 0), fleet.WriteFiles(dir)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// answers is the API of lamplighter all with the page's configuration: its reader asks from another terminal while it runs.
func (r *docsReader) answers(t *testing.T) string {
	t.Helper()
	if r.api != "" {
		return r.api
	}
	ctx, stop := context.WithCancel(context.Background())
	var stderr lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"all", "--config", "lamplighter.yaml"}, strings.NewReader(""), io.Discard, &stderr)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("lamplighter all: exit code %d: %s", code, stderr.String())
		}
	})
	address := regexp.MustCompile(`api=(http://\S+)`)
	eventually(t, 20*time.Second, "it answers", func() bool { return address.MatchString(stderr.String()) })
	r.api = address.FindStringSubmatch(stderr.String())[1]
	eventually(t, 30*time.Second, "its BMC is believed", func() bool {
		return strings.HasPrefix(lamplighter(t, "get", "bmcs", "-o", "name", "--api", r.api).stdout, "srv-1\n")
	})
	return r.api
}
