package inventory

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// TrustMode is how a BMC proves that it is the one that may get the password.
type TrustMode string

// The trust modes. The zero mode means: not said here, take the command's or the configuration's.
const (
	TrustCA       TrustMode = "ca"       // a certificate chain to a known authority, for one of the BMC's names
	TrustPin      TrustMode = "pin"      // exactly this public key
	TrustTOFU     TrustMode = "tofu"     // the first key seen is recorded and reported, and believed from the next round on
	TrustInsecure TrustMode = "insecure" // any key; reported as a note each round
)

// Trust is a BMC's trust policy.
type Trust struct {
	Mode TrustMode
	// Pin is the lower-case hex SHA-256 of the SubjectPublicKeyInfo; set only for TrustPin.
	Pin string
}

// ParseTrust reads ca, pin:HEX, tofu or insecure; an empty string is the zero Trust.
func ParseTrust(s string) (Trust, error) {
	mode, pin, _ := strings.Cut(s, ":")
	switch TrustMode(mode) {
	case "":
		if s == "" {
			return Trust{}, nil
		}
	case TrustPin:
		pin = strings.ToLower(strings.ReplaceAll(pin, ":", ""))
		if raw, err := hex.DecodeString(pin); err != nil || len(raw) != 32 {
			return Trust{}, fmt.Errorf("trust %q: want pin: and 64 hex digits, the SHA-256 of the public key", s)
		}
		return Trust{Mode: TrustPin, Pin: pin}, nil
	case TrustCA, TrustTOFU, TrustInsecure:
		if mode == s {
			return Trust{Mode: TrustMode(mode)}, nil
		}
	}
	return Trust{}, fmt.Errorf("trust %q: want ca, pin:HEX, tofu or insecure", s)
}

// Or returns t, or other where t says nothing.
func (t Trust) Or(other Trust) Trust {
	if t.Mode == "" {
		return other
	}
	return t
}

// String is the text that ParseTrust reads.
func (t Trust) String() string {
	if t.Mode == TrustPin {
		return "pin:" + t.Pin
	}
	return string(t.Mode)
}

// MarshalText makes a Trust its text in JSON and YAML.
func (t Trust) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Trust) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTrust(string(text))
	return err
}
