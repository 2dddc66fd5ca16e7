package bmcsim

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"lamplighter/inventory"
)

// columns are those of every Lamplighter inventory, then two labels.
var columns = []string{
	"id", "address", "site", "room", "row", "rack", "unit", "height", "face", "slot", "chassis", "vendor", "model", "serial", "uuid",
	"protocol", "port", "login", "trust", "ping", inventory.RMCPPortLabel,
}

// WriteFiles writes dir/inventory.csv, dir/keyring.yaml and dir/ca.pem: what a checker needs to go round the fleet. The
// keyring may be read by its owner only. Listen must have been called, for the ports stand in the inventory.
func (f *Fleet) WriteFiles(dir string) error {
	if f.tcp == nil {
		return errors.New("write the simulated fleet's files: Listen was not called")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the simulated fleet's files: %w", err)
	}
	inventoryCSV, err := f.inventoryCSV()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{{"inventory.csv", inventoryCSV, 0o644}, {"keyring.yaml", f.keyringYAML(), 0o600}, {"ca.pem", f.CA(), 0o644}} {
		if err := write(filepath.Join(dir, file.name), file.text, file.mode); err != nil {
			return fmt.Errorf("write the simulated fleet's files: %w", err)
		}
	}
	return nil
}

// write replaces a file; a leftover with wider permissions must not lend them to the new one.
func write(name string, text []byte, mode os.FileMode) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(name, text, mode)
}

func (f *Fleet) inventoryCSV() ([]byte, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write(columns) // errors come with Error, below
	for _, b := range f.BMCs() {
		_ = w.Write([]string{
			string(b.ID), b.Address.String(), b.Site, b.Room, b.Row, b.Rack, number(b.Unit), number(b.Height), b.Face, b.Slot, b.Chassis,
			b.Vendor, b.Model, b.Serial, b.UUID, string(b.Protocol), strconv.Itoa(int(b.Port)), b.Login, b.Trust.String(),
			b.Labels["ping"], b.Labels[inventory.RMCPPortLabel],
		})
	}
	w.Flush()
	return text.Bytes(), w.Error()
}

func number(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

// keyringYAML is written by hand: a Secret refuses to be marshalled. What %q escapes, YAML reads.
func (f *Fleet) keyringYAML() []byte {
	var text bytes.Buffer
	text.WriteString("credentials:\n")
	for _, b := range f.bmcs {
		if f.byLogin[b.record.Login] != b {
			continue // it shares another's
		}
		fmt.Fprintf(&text, "  %q:\n    username: %q\n    password: %q\n", b.record.Login, username, b.password)
	}
	return text.Bytes()
}
