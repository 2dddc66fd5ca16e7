package peers

import (
	"bufio"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// BMC is one BMC of a peer.
type BMC struct {
	Address  netip.AddrPort
	Username string
	Password string
	// power is the file that says whether the server is on; only ipmi_sim's BMCs have one.
	power string
	// controller is the address of its management controller inside ipmi_sim.
	controller int
	sim        *Sim
}

// Monitor is an account of every ipmi_sim BMC with privilege user, for reading only; its password is the BMC's with "ro".
const Monitor = "monitor"

// Sim is one ipmi_sim process. It speaks cipher suite 3, refuses 17, and is single threaded.
type Sim struct {
	*process
	BMCs []*BMC

	console string
	telling sync.Mutex
	told    *console
}

// maxSim is how many BMCs one ipmi_sim process was seen to serve: one per even IPMB address.
const maxSim = 126

//go:embed chassis.sh
var chassisScript []byte

// StartIPMISim starts one ipmi_sim with n BMCs, on as many addresses of 127.0.0.0/8, each with a password of its own.
func StartIPMISim(t testing.TB, n int) *Sim {
	t.Helper()
	if n < 1 || n > maxSim {
		t.Fatalf("peers: %d BMCs in one ipmi_sim, want 1 to %d", n, maxSim)
	}
	program := Need(t, IPMISim)
	var err error
	for range startTries {
		sim := &Sim{}
		dir := t.TempDir()
		sim.configure(t, dir, n)
		cmd := exec.Command(program, "-n", "-c", "lan.conf", "-f", "sim.emu", "-s", filepath.Join(dir, "state"))
		cmd.Dir = dir
		if sim.process, err = run(t, cmd, sim.addresses()...); err == nil {
			return sim
		}
	}
	t.Fatalf("peers: %v", err)
	return nil
}

func (s *Sim) addresses() (all []netip.AddrPort) {
	for _, b := range s.BMCs {
		all = append(all, b.Address)
	}
	return all
}

// configure writes what ipmi_sim reads. 127.64.0.0/10 is ours; a random corner of it keeps test processes apart.
func (s *Sim) configure(t testing.TB, dir string, n int) {
	t.Helper()
	s.console = fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	port, corner := freePort(t, "udp"), [3]byte{127, byte(64 + rand.IntN(64)), byte(rand.IntN(256))}
	var lan, emu strings.Builder
	fmt.Fprintf(&lan, "name \"sim\"\nconsole %s\n", strings.Replace(s.console, ":", " ", 1))
	emu.WriteString("mc_setbmc 0x20\n")
	for i := range n {
		b := &BMC{
			Address:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{corner[0], corner[1], corner[2], byte(1 + i)}), port),
			Username:   "admin",
			Password:   fmt.Sprintf("pw-%d-%x", i, corner[1:]),
			power:      filepath.Join(dir, fmt.Sprintf("power.%d", i)),
			controller: controllerAddress(i),
			sim:        s,
		}
		s.BMCs = append(s.BMCs, b)
		fmt.Fprintf(&lan, lanBlock, b.controller, b.Address.Addr(), port, i, filepath.Join(dir, "chassis.sh"), b.power, b.Password, b.Password)
		fmt.Fprintf(&emu, "mc_add %#x 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable %#x\n", b.controller, b.controller)
		b.SetPower(t, true)
	}
	write(t, filepath.Join(dir, "lan.conf"), []byte(lan.String()), 0o600)
	write(t, filepath.Join(dir, "sim.emu"), []byte(emu.String()), 0o600)
	write(t, filepath.Join(dir, "chassis.sh"), chassisScript, 0o700)
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// controllerAddress is 0x20, which ipmi_sim wants for the first, then the other even addresses.
func controllerAddress(i int) int {
	switch address := 2 * i; {
	case i == 0:
		return 0x20
	case address < 0x20:
		return address
	default:
		return address + 2
	}
}

const lanBlock = `set_working_mc %#x
startlan 1
  addr %s %d
  priv_limit admin
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789ab%04x
endlan
chassis_control "%s %s"
user 2 true "admin" "%s" admin 10 none md2 md5 straight
user 3 true "monitor" "%sro" user 10 none md2 md5 straight
`

func write(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// SetPower turns the BMC's server on or off.
func (b *BMC) SetPower(t testing.TB, on bool) {
	t.Helper()
	state := "0\n"
	if on {
		state = "1\n"
	}
	write(t, b.power, []byte(state), 0o600)
}

// Disable makes the BMC half dead: it lets users log in, but answers every command with an error.
func (b *BMC) Disable(t testing.TB) { b.sim.tell(t, fmt.Sprintf("mc_disable %#x", b.controller)) }

// Enable heals a disabled BMC.
func (b *BMC) Enable(t testing.TB) { b.sim.tell(t, fmt.Sprintf("mc_enable %#x", b.controller)) }

// tell gives a command to ipmi_sim's console and waits until it has been carried out: until the prompt comes back. There is
// one connection, kept until the test ends, because ipmi_sim 2.0.33 now and then falls over the end of one.
func (s *Sim) tell(t testing.TB, command string) {
	t.Helper()
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.told == nil {
		conn, err := net.DialTimeout("tcp", s.console, startWait)
		if err != nil {
			t.Fatalf("ipmi_sim's console: %v", err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		s.told = &console{conn, bufio.NewReader(conn)}
		s.told.prompt(t)
	}
	if _, err := fmt.Fprintf(s.told, "%s\r\n", command); err != nil {
		t.Fatalf("ipmi_sim's console: %s: %v", command, err)
	}
	s.told.prompt(t)
}

// console is a connection to ipmi_sim's console.
type console struct {
	net.Conn
	answers *bufio.Reader
}

func (c *console) prompt(t testing.TB) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(startWait))
	if text, err := c.answers.ReadString('>'); err != nil {
		t.Fatalf("ipmi_sim's console: %v, said %q", err, text)
	}
}
