package results

import (
	"strings"

	"lamplighter/checks"
)

// Code is what one BMC looks like in one character, everywhere: in lists, CSV, the live stream and on maps.
type Code string

// The codes. Of a failure it is the letter of the reason: P ping, T tls, L login, W power.
const (
	CodeAvailable   Code = "."
	CodeDegraded    Code = "!"
	CodeMaintenance Code = "m"
	CodeUnknown     Code = "?"
	CodeUs          Code = "S"
	CodeNone        Code = "-"
)

// Overlays stand beside a code and never in its place.
const (
	OverlayFlapping = "~"
	OverlayAcked    = "a"
	OverlaySilenced = "z"
)

// Shape is how a map draws a code, so that colour is never all that tells two apart.
type Shape string

// The shapes.
const (
	Solid   Shape = "solid"   // a full block without a border
	Dashed  Shape = "dashed"  // empty, with a dashed border of 2 px
	Border  Shape = "border"  // a solid border of 2 px
	Hatch   Shape = "hatch"   // diagonal lines
	Quiet   Shape = "quiet"   // a small square
	Outline Shape = "outline" // a thin border
)

// Paint is a fill and what is written on it, as #rrggbb.
type Paint struct {
	Fill string `json:"fill"`
	Ink  string `json:"ink"`
}

// StateCode is a line of the table of codes.
type StateCode struct {
	Code Code `json:"code"`
	// Glyph is what a map writes where there is room; the code itself but for what is well.
	Glyph   string `json:"glyph"`
	Meaning string `json:"meaning"`
	Shape   Shape  `json:"shape"`
	Light   Paint  `json:"light"`
	Dark    Paint  `json:"dark"`
	// Rank orders codes, 1 first: what is broken, what is not known, what should be put right.
	Rank int `json:"rank"`
}

var (
	failedLight, failedDark   = Paint{"#a30f2d", "#ffffff"}, Paint{"#ff8fa3", "#1b0006"}
	unknownLight, unknownDark = Paint{"#ffffff", "#4d545d"}, Paint{"#0e1116", "#b6bdc6"}
)

// StateCodes is THE table of codes: command line, CSV, API and console are drawn from it.
var StateCodes = []StateCode{
	{"P", "P", "unavailable: failed at ping", Solid, failedLight, failedDark, 1},
	{"T", "T", "unavailable: failed at tls", Solid, failedLight, failedDark, 1},
	{"L", "L", "unavailable: failed at a login", Solid, failedLight, failedDark, 1},
	{"W", "W", "unavailable: failed at power", Solid, failedLight, failedDark, 1},
	{CodeUs, "S", "unknown: we are at fault, not the BMC", Dashed, unknownLight, unknownDark, 2},
	{CodeUnknown, "?", "unknown: nothing is heard of it", Dashed, unknownLight, unknownDark, 2},
	{CodeDegraded, "!", "degraded: it works, and something should be put right", Border, Paint{"#ffd666", "#3d2e00"}, Paint{"#7a5a00", "#ffefc2"}, 3},
	{CodeMaintenance, "m", "maintenance: somebody works there, whatever its health", Hatch, Paint{"#e3ebff", "#1d3a8a"}, Paint{"#1d2a4d", "#c9d6ff"}, 4},
	{CodeAvailable, "✓", "available", Quiet, Paint{"#cfe6d8", "#1b4d33"}, Paint{"#1f3b2c", "#bfe5cd"}, 5},
	{CodeNone, "-", "not monitored: no round was ever heard of", Outline, Paint{"#f2f3f5", "#5b626c"}, Paint{"#1a1e25", "#9aa3ad"}, 6},
}

// CodeOf is the code of what is believed of a BMC, and of what keeps it quiet: "" nothing.
func CodeOf(health checks.Health, failed checks.Name, reason checks.Reason, quiet SilenceKind) Code {
	switch {
	case quiet == Maintenance:
		return CodeMaintenance
	case health == checks.Available:
		return CodeAvailable
	case health == checks.Degraded:
		return CodeDegraded
	case health == checks.Unavailable:
		return failedCode(failed, reason)
	case strings.HasPrefix(string(reason), "self.") && reason != checks.SelfSilent:
		return CodeUs
	}
	return CodeUnknown
}

// failedAt are the codes of the checks: where the chain broke counts, not where the reason usually stands.
var failedAt = map[checks.Name]Code{checks.Ping: "P", checks.TLS: "T", checks.RedfishLogin: "L", checks.IPMILogin: "L", checks.Power: "W"}

func failedCode(failed checks.Name, reason checks.Reason) Code {
	if code, ok := failedAt[failed]; ok {
		return code
	}
	if letter := reason.Info().Letter; letter != "" {
		return Code(letter)
	}
	return CodeUnknown
}

// Info is c's line of the table; the zero StateCode for what is none.
func (c Code) Info() StateCode {
	for _, line := range StateCodes {
		if line.Code == c {
			return line
		}
	}
	return StateCode{}
}
