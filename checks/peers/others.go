package peers

import (
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed pyghmi_bmc.py
var pyghmiScript []byte

// python finds the interpreter that has pyghmi: Debian's own, which a python from elsewhere in PATH does not share.
func python() string {
	for _, path := range []string{"/usr/bin/python3", program("python3")} {
		if path != "" && exec.Command(path, "-c", "import pyghmi").Run() == nil {
			return path
		}
	}
	return ""
}

// Other is a process that is one BMC.
type Other struct {
	*process
	BMC
}

// StartPyghmi starts one pyghmi BMC. It speaks cipher suite 3 whatever is asked for, and is silent to an unknown user.
func StartPyghmi(t testing.TB, powerOn bool) *Other {
	t.Helper()
	python, state := Need(t, Pyghmi), "off"
	if powerOn {
		state = "on"
	}
	script := filepath.Join(t.TempDir(), "pyghmi_bmc.py")
	write(t, script, pyghmiScript, 0o600)
	return startOther(t, func(b BMC) *exec.Cmd {
		return exec.Command(python, script, b.Address.Addr().String(), strconv.Itoa(int(b.Address.Port())), b.Username, b.Password, state)
	})
}

// StartGoIPMI starts one goipmi-server; with suites it speaks only those. Its server is off.
func StartGoIPMI(t testing.TB, suites ...uint8) *Other {
	t.Helper()
	program := Need(t, GoIPMI)
	var list []string
	for _, s := range suites {
		list = append(list, strconv.Itoa(int(s)))
	}
	return startOther(t, func(b BMC) *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(),
			fmt.Sprintf("GOIPMI_SERVER_PORT=%d", b.Address.Port()),
			"GOIPMI_SERVER_USER="+b.Username, "GOIPMI_SERVER_PASS="+b.Password,
			"GOIPMI_SERVER_CIPHER_SUITES="+strings.Join(list, ","))
		return cmd
	})
}

func startOther(t testing.TB, command func(BMC) *exec.Cmd) *Other {
	t.Helper()
	var err error
	for range startTries {
		addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t, "udp"))
		o := &Other{BMC: BMC{Address: addr, Username: "admin", Password: "s3cret-" + strconv.Itoa(int(addr.Port()))}}
		if o.process, err = run(t, command(o.BMC), addr); err == nil {
			return o
		}
	}
	t.Fatalf("peers: %v", err)
	return nil
}
