package peers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Alertmanager is a real Alertmanager, alone and without anybody whom it would notify.
type Alertmanager struct {
	*process
	// URL is where its API and page are.
	URL string
}

// alertmanagerConfig sends nothing to anybody, and believes for five minutes what names no end.
const alertmanagerConfig = `
route: {receiver: nobody, group_wait: 0s, group_interval: 1s, group_by: [alertname, site]}
receivers: [{name: nobody}]
`

// StartAlertmanager starts one whose data ends with the test.
func StartAlertmanager(t testing.TB) *Alertmanager {
	t.Helper()
	program, dir := Need(t, AlertmanagerPeer), t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	write(t, config, []byte(alertmanagerConfig), 0o600)
	var err error
	for range startTries {
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
		a := &Alertmanager{URL: "http://" + address}
		a.process, err = run(t, exec.Command(program, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"),
			"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=warn"))
		if err == nil {
			if err = a.ready(t); err == nil {
				return a
			}
			a.kill()
		}
	}
	t.Fatalf("peers: %v", err)
	return nil
}

func (a *Alertmanager) ready(t testing.TB) error {
	ctx, cancel := context.WithTimeoutCause(t.Context(), startWait, errors.New("no answer"))
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		response, err := client.Get(a.URL + "/-/ready")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-a.ended:
			return fmt.Errorf("alertmanager ended; it said:\n%s", a.output.String())
		default:
			pause(ctx, 50*time.Millisecond)
		}
	}
	return fmt.Errorf("wait for alertmanager at %s: %w; it said:\n%s", a.URL, context.Cause(ctx), a.output.String())
}
