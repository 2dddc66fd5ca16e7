package results

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"lamplighter/checks"
)

// luminance is WCAG 2.2's relative luminance of #rrggbb.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour[1:], 16, 24)
	if err != nil || len(colour) != 7 || colour[0] != '#' {
		t.Fatalf("%q is no colour", colour)
	}
	part := func(shift int) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestEachCodeCanBeReadInLightAndDark(t *testing.T) {
	if got := contrast(t, "#000000", "#ffffff"); got != 21 {
		t.Errorf("black on white is %v:1", got)
	}
	for _, line := range StateCodes {
		for name, paint := range map[string]Paint{"light": line.Light, "dark": line.Dark} {
			if got := contrast(t, paint.Fill, paint.Ink); got < 4.5 {
				t.Errorf("%s in %s: %.1f:1, want 4.5:1", line.Code, name, got)
			}
		}
	}
}

func TestTwoCodesAreNeverToldApartByColourAlone(t *testing.T) {
	codes, looks := map[Code]bool{}, map[string]bool{}
	for i, line := range StateCodes {
		look := fmt.Sprintf("%s %s", line.Glyph, line.Shape)
		if codes[line.Code] || looks[look] || len(line.Code) != 1 || line.Meaning == "" || line.Rank < 1 || line.Code.Info() != line {
			t.Errorf("%+v", line)
		}
		if i > 0 && line.Rank < StateCodes[i-1].Rank {
			t.Errorf("%s is out of order", line.Code)
		}
		codes[line.Code], looks[look] = true, true
	}
	for _, info := range checks.Reasons {
		if !codes[Code(info.Letter)] {
			t.Errorf("%s has the letter %s, which the table does not have", info.Reason, info.Letter)
		}
	}
	if slices.ContainsFunc(StateCodes, func(line StateCode) bool {
		return line.Code == OverlayFlapping || line.Code == OverlayAcked || line.Code == OverlaySilenced
	}) {
		t.Error("an overlay looks like a code")
	}
}

func TestACodeSaysWhatIsBelieved(t *testing.T) {
	for name, test := range map[string]struct {
		health checks.Health
		failed checks.Name
		reason checks.Reason
		quiet  SilenceKind
		want   Code
	}{
		"all is well": {checks.Available, "", "", "", "."},
		"a warning":   {checks.Degraded, "", checks.TLSExpiresSoon, "", "!"},
		"no answer":   {checks.Unavailable, checks.Ping, checks.NetTimeout, "", "P"},
		"a refused port counts where the chain broke": {checks.Unavailable, checks.Ping, checks.NetRefused, "", "P"},
		"a refused login":                        {checks.Unavailable, checks.IPMILogin, checks.AuthRejected, "", "L"},
		"a failure without its check":            {checks.Unavailable, "", checks.TLSTimeout, "", "T"},
		"power":                                  {checks.Unavailable, checks.Power, checks.APIError, "", "W"},
		"we are blind":                           {checks.Unknown, checks.Ping, checks.SelfBlind, "", "S"},
		"nothing is heard":                       {checks.Unknown, "", checks.SelfSilent, "", "?"},
		"nothing is believed yet":                {checks.Unknown, "", "", "", "?"},
		"somebody works there":                   {checks.Unavailable, checks.Ping, checks.NetTimeout, Maintenance, "m"},
		"a silence does not hide what is broken": {checks.Unavailable, checks.Ping, checks.NetTimeout, Silencing, "P"},
	} {
		if got := CodeOf(test.health, test.failed, test.reason, test.quiet); got != test.want || got.Info().Code != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
