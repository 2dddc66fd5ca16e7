package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lamplighter/checks"
)

// pages are README.md and everything under docs/, by their path from the repository's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"README.md": read(t, filepath.Join(repository, "README.md"))}
	err := fs.WalkDir(os.DirFS(repository), "docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".md" {
			found[name] = read(t, filepath.Join(repository, name))
		}
		return err
	})
	if err != nil || len(found) < 10 {
		t.Fatalf("%d pages: %v", len(found), err)
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestEveryLinkPointsToAFileAndAHeading(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(match[1], "#")
			file := page
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			}
			if _, err := os.Stat(filepath.Join(repository, file)); err != nil {
				t.Errorf("%s links to %s: %v", page, match[1], err)
			} else if anchor != "" && !slices.Contains(anchors(all[file]), anchor) {
				t.Errorf("%s links to %s: no such heading", page, match[1])
			}
		}
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchors are the headings as web pages of repositories name them.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(match[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

func TestEveryMakeTargetThatIsNamedExists(t *testing.T) {
	makefile := read(t, filepath.Join(repository, "Makefile"))
	for page, text := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:`|^)make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+match[1]+":") {
				t.Errorf("%s names make %s, which the Makefile does not have", page, match[1])
			}
		}
	}
}

func TestReasonsPageIsWhatTheProgramPrints(t *testing.T) {
	if got := lamplighter(t, "reasons", "--markdown").stdout; got != read(t, filepath.Join(repository, "docs/reasons.md")) {
		t.Error("docs/reasons.md is not the table of reasons; run: go run ./satellite reasons --markdown > docs/reasons.md")
	}
}

func TestUsageNamesEveryFlagAndNoOther(t *testing.T) {
	usage := read(t, filepath.Join(repository, "docs/usage.md"))
	exist := map[string]bool{"--help": true}
	for _, command := range newRoot().Commands() {
		for _, cmd := range append([]*cobra.Command{command}, command.Commands()...) {
			cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
				exist["--"+f.Name] = true
				if !regexp.MustCompile(`--` + f.Name + `\b`).MatchString(usage) {
					t.Errorf("docs/usage.md does not mention --%s of %s", f.Name, cmd.CommandPath())
				}
			})
			if !strings.Contains(usage, cmd.Name()) {
				t.Errorf("docs/usage.md does not mention %s", cmd.CommandPath())
			}
		}
	}
	for page, text := range pages(t) {
		for _, line := range strings.Split(text, "\n") {
			if !strings.Contains(line, "lamplighter ") && page != "docs/usage.md" {
				continue
			}
			for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(line, -1) {
				if !exist[flag] {
					t.Errorf("%s mentions %s, which no command has", page, flag)
				}
			}
		}
	}
}

func TestEveryParagraphOfTheExampleIsExplained(t *testing.T) {
	for paragraph := range strings.SplitSeq(read(t, filepath.Join(repository, "deploy/lamplighter.yaml")), "\n\n") {
		if !strings.HasPrefix(paragraph, "#") {
			t.Errorf("deploy/lamplighter.yaml does not explain\n%s", paragraph)
		}
	}
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// TestEveryCommandOfTheDocsRuns runs the sh blocks of each page in order, in a directory of their own with one simulated BMC.
func TestEveryCommandOfTheDocsRuns(t *testing.T) {
	ran := 0
	for page, text := range pages(t) {
		blocks := shellBlock.FindAllStringSubmatch(text, -1)
		if len(blocks) == 0 {
			continue
		}
		ran++
		t.Run(page, func(t *testing.T) {
			reader := newReader(t, text)
			for _, block := range blocks {
				for command := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(block[1], "\\\n", " ")), "\n") {
					reader.follow(t, strings.TrimSpace(command))
				}
			}
		})
	}
	if ran == 0 {
		t.Error("no page has a command")
	}
}

// follow runs one line of a page as its reader would.
func (r *docsReader) follow(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	switch {
	case command == "" || words[0] == "#":
	case words[0] == "make":
		r.make(t, words[1:])
	case words[0] == "$EDITOR":
		r.edit(t, words[1])
	case words[0] == "install" || words[0] == "cp":
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	case words[0] == "./bin/lamplighter":
		r.lamplighter(t, words[1:])
	default:
		t.Errorf("this test does not know how to run: %s", command)
	}
}

// make runs what a target would, as far as it is quick; the target must exist.
func (r *docsReader) make(t *testing.T, targets []string) {
	t.Helper()
	out, err := exec.Command("make", append([]string{"-C", r.repository, "-n"}, targets...)...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Logf("NOT TESTED: make %v: there is no make", targets)
		return
	}
	if err != nil {
		t.Errorf("make %v: %v\n%s", targets, err, out)
	}
	if slices.Contains(targets, "demo") {
		if !bytes.Contains(out, []byte("./bin/lamplighter demo\n")) {
			t.Errorf("make demo runs\n%s", out)
		}
		r.run(t, "demo", "--for", "1s")
	}
}

// lamplighter runs the program, with what only the reader of a page knows put in.
func (r *docsReader) lamplighter(t *testing.T, args []string) {
	t.Helper()
	var full []string
	for _, arg := range args {
		full = append(full, r.mine(arg)...)
	}
	wanted := 0
	switch args[0] {
	case "check", "sweep":
		if !r.keySeen[args[0]] && slices.Contains(args, "tofu") {
			r.keySeen[args[0]], wanted = true, 1
		}
	case "all":
		r.runUntilVerdict(t, full)
		return
	case "get", "why", "ack":
		full = append(full, "--api", r.answers(t))
	case "sim":
		if !slices.Contains(args, "faults") {
			full = append(full, "--for", "100ms")
		}
	}
	if out := r.run(t, full...); out.code != wanted {
		t.Errorf("%v: exit code %d, want %d\n%s%s", full, out.code, wanted, out.stdout, out.stderr)
	} else if wanted == 1 {
		if !strings.Contains(out.stdout, string(checks.TLSUntrusted)) {
			t.Errorf("%v: the first key seen is not reported:\n%s", full, out.stdout)
		}
		r.lamplighter(t, args) // "run it again to log in"
	}
}

// runUntilVerdict is all, ended by its reader after the first verdict.
func (r *docsReader) runUntilVerdict(t *testing.T, args []string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var stderr lockedBuffer
	stdout := &firstLine{stop: stop}
	if code := execute(ctx, args, strings.NewReader(""), stdout, &stderr); code != 0 || stdout.lines == 0 {
		t.Errorf("%v: exit code %d, %d verdicts\n%s", args, code, stdout.lines, stderr.String())
	}
}

// firstLine calls stop at the first line that is written to it. One goroutine at a time writes.
type firstLine struct {
	lines int
	stop  func()
}

func (w *firstLine) Write(p []byte) (int, error) {
	w.lines++
	w.stop()
	return len(p), nil
}

func (r *docsReader) run(t *testing.T, args ...string) outcome {
	t.Helper()
	if len(args) == 0 {
		t.Fatal(fmt.Errorf("no command"))
	}
	return lamplighter(t, args...)
}

func TestTheUnitsAreWhatSystemdUnderstands(t *testing.T) {
	for name, wanted := range map[string][]string{
		"lamplighter.service": {"lamplighter satellite --config /etc/lamplighter/lamplighter.yaml", "StateDirectory=lamplighter\n", "LoadCredential=keyring.yaml:",
			"LoadCredential=rabbitmq.password:", "LoadCredential=kafka.password:", "AmbientCapabilities=CAP_NET_RAW"},
		"lamplighter-results.service": {"lamplighter results --config /etc/lamplighter/results.yaml", "StateDirectory=lamplighter-results\n",
			"LoadCredential=kafka.password:", "CapabilityBoundingSet=\n"},
		"lamplighter-inventory.service": {"lamplighter inventory --config /etc/lamplighter/inventory.yaml", "StateDirectory=lamplighter-inventory\n",
			"LoadCredential=cmdb-keyring.yaml:", "LoadCredential=kafka.password:", "CapabilityBoundingSet=\n"},
		"lamplighter-tickets.service": {"lamplighter tickets --config /etc/lamplighter/tickets.yaml", "LoadCredential=desk.token:", "CapabilityBoundingSet=\n"},
	} {
		t.Run(name, func(t *testing.T) { unitIsUnderstood(t, name, wanted) })
	}
}

func unitIsUnderstood(t *testing.T, name string, wanted []string) {
	unit := read(t, filepath.Join(repository, "deploy", name))
	for _, want := range wanted {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skipf("NOT TESTED: deploy/%s: there is no systemd-analyze", name)
	}
	program, err := os.Executable() // whatever there is: verify asks only whether it could be run
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	write(t, path, strings.Replace(unit, "ExecStart=/usr/local/bin/lamplighter", "ExecStart="+program, 1))
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || bytes.Contains(out, []byte(path)) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestTheConfigurationsOfTheDeployPageAreOnes: what its reader copies is understood whole.
func TestTheConfigurationsOfTheDeployPageAreOnes(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^ *```\n( *(?:satellite|site): .*?)^ *```").FindAllStringSubmatch(read(t, filepath.Join(repository, "docs/deploy.md")), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d configurations, want a satellite's and one that only asks", len(blocks))
	}
	for _, block := range blocks {
		indent := block[1][:len(block[1])-len(strings.TrimLeft(block[1], " "))]
		path := filepath.Join(t.TempDir(), "fra1.yaml")
		write(t, path, strings.ReplaceAll("\n"+block[1], "\n"+indent, "\n"))
		if c, err := LoadConfig(path); err != nil || c.Site != "fra1" || len(c.RabbitMQ.URLs) != 2 || len(c.Kafka.Brokers) == 0 {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
}

func TestTheProxyOfTheDeployPageIsOne(t *testing.T) {
	_, about, _ := strings.Cut(read(t, filepath.Join(repository, "docs/deploy.md")), "## Signing in by your own proxy\n")
	blocks := regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(about, 2)
	path := filepath.Join(t.TempDir(), "results.yaml")
	write(t, path, "inventory: i\nkeyring: env\n"+blocks[0][1])
	c, err := LoadConfig(path)
	if err != nil || len(c.Results.Proxy.Operators) == 0 || c.Results.Proxy.Group == "" {
		t.Fatalf("%+v %v", c.Results, err)
	}
	for _, want := range []string{
		"proxy_set_header " + c.Results.Proxy.UserHeader + " $lamp_user;", "proxy_set_header " + c.Results.Proxy.GroupsHeader + " $lamp_groups;",
		"proxy_pass http://unix:" + c.Results.Proxy.Socket + ";", "proxy_buffering off;", "proxy_set_header Host ",
	} {
		if !strings.Contains(blocks[1][1], want) {
			t.Errorf("nginx's example lacks %q", want)
		}
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("NOT TESTED: nginx on the example of docs/deploy.md: there is no nginx")
	}
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	write(t, conf, "pid "+filepath.Join(t.TempDir(), "pid")+";\nevents {}\nhttp {\nserver {\nlisten 127.0.0.1:1;\nlocation = /oauth2/auth { internal; proxy_pass http://127.0.0.1:1/; }\n"+blocks[1][1]+"}\n}\n")
	if out, err := exec.Command(nginx, "-t", "-e", "stderr", "-c", conf).CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
}
