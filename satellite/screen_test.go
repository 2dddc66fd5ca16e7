package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lamplighter/checks"
	"lamplighter/results"
)

// demoBoard is the demo's board when every BMC has the verdict that its fault should get.
func demoBoard(t *testing.T) demoShow {
	t.Helper()
	fleet, err := demoFleet()
	if err != nil {
		t.Fatal(err)
	}
	show := demoShow{board: newBoard(fleet.BMCs()), desk: newDeskPanel(), planted: fleet.Planted(), dir: filepath.Join("tmp", "demo"), started: time.Now()}
	for _, bmc := range fleet.BMCs() {
		v := results.Verdict{BMC: bmc.ID, Health: checks.Available}
		if want := expected(show.planted[bmc.ID]); len(want) > 0 {
			v.Reason, v.Failed, v.Health = want[0], checks.TLS, want[0].Info().Health
		}
		if err := show.board.Emit(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprint(show.desk, "desk: would open ams1: lo", "oks like rack A03\n    What: 20 BMCs\n"); err != nil {
		t.Fatal(err)
	}
	return show
}

func TestTheLivePageFitsTheTerminal(t *testing.T) {
	show := demoBoard(t)
	for _, size := range [][2]int{{200, 60}, {100, 40}, {80, 24}, {20, 5}, {1, 1}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var out strings.Builder
			s := screen{&out, size[0], size[1]}
			s.draw(show.live(s))
			lines := strings.Split(out.String(), "\r\n")
			if len(lines) > size[1] {
				t.Errorf("%d lines on a terminal of %d", len(lines), size[1])
			}
			for _, line := range lines {
				for _, code := range []string{home, endOfLine, endOfScreen} {
					line = strings.ReplaceAll(line, code, "")
				}
				if utf8.RuneCountInString(line) > size[0] {
					t.Errorf("too wide: %q", line)
				}
			}
			if size[1] >= 24 && !strings.Contains(out.String(), "tickets: 1; the newest: would open ams1: lo") {
				t.Error("the newest ticket is not shown")
			}
			if size[1] >= 24 && !strings.Contains(out.String(), "verdicts: tmp") {
				t.Error("no room was left for where the verdicts are")
			}
			if size[1] < 60 && size[1] >= 24 && !strings.Contains(out.String(), " more"+endOfLine) {
				t.Error("it does not say that there is more")
			}
		})
	}
}

func TestADrawnPageClearsNothingBeforeItIsOverwritten(t *testing.T) {
	var out strings.Builder
	screen{&out, 10, 3}.draw("a\nb\nc\n")
	if want := home + "a" + endOfLine + "\r\nb" + endOfLine + "\r\n" + endOfScreen; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
