package icmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

const (
	testID    = 0x1234
	testSeq   = 0x5678
	testNonce = 0x0102030405060708
)

// reply4 is what a host makes of our request: another type, the rest as it came.
func reply4(change func([]byte)) []byte {
	b := request(false, testID, testSeq, testNonce, 2)
	b[0] = echoReply4
	if change != nil {
		change(b)
	}
	return sum4(b)
}

func sum4(b []byte) []byte {
	if len(b) >= 4 {
		binary.BigEndian.PutUint16(b[2:], 0)
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

func reply6(change func([]byte)) []byte {
	b := request(true, testID, testSeq, testNonce, 2)
	b[0] = echoReply6
	if change != nil {
		change(b)
	}
	return b
}

// quote4 is a destination unreachable that quotes an IPv4 header of head bytes and the first n bytes of our request.
func quote4(code byte, head, n int, change func([]byte)) []byte {
	ip := make([]byte, head)
	ip[0], ip[9] = 0x40|byte(head/4), 1
	copy(ip[16:], netip.MustParseAddr("10.0.0.7").AsSlice())
	b := append([]byte{unreachable4, code, 0, 0, 0, 0, 0, 0}, ip...)
	b = append(b, request(false, testID, testSeq, testNonce, 2)[:n]...)
	if change != nil {
		change(b)
	}
	return sum4(b)
}

func quote6(code byte, n int) []byte {
	ip := make([]byte, 40)
	ip[0], ip[6] = 0x60, 58
	copy(ip[24:], netip.MustParseAddr("fd00::7").AsSlice())
	b := append([]byte{unreachable6, code, 0, 0, 0, 0, 0, 0}, ip...)
	return append(b, request(true, testID, testSeq, testNonce, 2)[:n]...)
}

// captured is what Linux 6.18 answered to our request, without its IP header.
var captured = []byte{
	0x00, 0x00, 0x87, 0x3d, 0x12, 0x34, 0x56, 0x78, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 39 + headerLen + 16: 0,
}

func TestParse(t *testing.T) {
	whole := message{kind: echoReply, id: testID, seq: testSeq, whole: true, nonce: testNonce, request: 2}
	quoted := whole
	quoted.kind, quoted.target = unreachable, netip.MustParseAddr("10.0.0.7")
	short := message{kind: unreachable, id: testID, seq: testSeq, target: quoted.target}
	quoted6 := quoted
	quoted6.target = netip.MustParseAddr("fd00::7")
	short6 := short
	short6.target = quoted6.target
	for _, c := range []struct {
		name string
		v6   bool
		in   []byte
		want message // zero: ignored
	}{
		{"a reply is read", false, reply4(nil), whole},
		{"a reply as the kernel sends it is read", false, captured, whole},
		{"a reply of ICMPv6 is read", true, reply6(nil), whole},
		{"a longer reply is read, for middleboxes pad", false, sum4(append(reply4(nil), 0, 0, 0)), whole},
		{"nothing is ignored", false, nil, message{}},
		{"half a header is ignored", false, reply4(nil)[:7], message{}},
		{"a reply cut off within the nonce is ignored", false, sum4(reply4(nil)[:20]), message{}},
		{"a reply with a wrong checksum is ignored", false, append(reply4(nil), 1), message{}},
		{"a reply of ICMPv6 cut off within the nonce is ignored", true, reply6(nil)[:23], message{}},
		{"a reply with a code is ignored", false, reply4(func(b []byte) { b[1] = 1 }), message{}},
		{"our own request on loopback is ignored", false, request(false, testID, testSeq, testNonce, 2), message{}},
		{"our own request of ICMPv6 is ignored", true, request(true, testID, testSeq, testNonce, 2), message{}},
		{"a reply of the other family is ignored", true, reply4(nil), message{}},
		{"host unreachable with our whole request is read", false, quote4(1, 20, 64, nil), quoted},
		{"host unreachable with 8 bytes of our request is read", false, quote4(1, 20, 8, nil), short},
		{"a quoted header with options is read", false, quote4(13, 24, 64, nil), quoted},
		{"port unreachable comes from a living host and is ignored", false, quote4(3, 20, 64, nil), message{}},
		{"fragmentation needed is ignored", false, quote4(4, 20, 64, nil), message{}},
		{"a quote without our ICMP header is ignored", false, quote4(1, 20, 7, nil), message{}},
		{"a quote with a header longer than the packet is ignored", false, quote4(1, 20, 8, func(b []byte) { b[8] = 0x4f }), message{}},
		{"a quote with a header shorter than the least is ignored", false, quote4(1, 20, 64, func(b []byte) { b[8] = 0x41 }), message{}},
		{"a quoted TCP segment is ignored", false, quote4(1, 20, 64, func(b []byte) { b[17] = 6 }), message{}},
		{"a quoted reply is ignored", false, quote4(1, 20, 64, func(b []byte) { b[28] = 0 }), message{}},
		{"address unreachable of ICMPv6 is read", true, quote6(3, 64), quoted6},
		{"address unreachable of ICMPv6 with 8 bytes is read", true, quote6(3, 8), short6},
		{"port unreachable of ICMPv6 is ignored", true, quote6(4, 64), message{}},
		{"a cut off quote of ICMPv6 is ignored", true, quote6(3, 7), message{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := parse(c.v6, c.in)
			if ok != (c.want.kind != 0) || ok && got != c.want {
				t.Errorf("parse(% x) = %+v, %v; want %+v", c.in, got, ok, c.want)
			}
		})
	}
}

func TestRequestIsWhatPingSends(t *testing.T) {
	b := request(false, testID, testSeq, testNonce, 2)
	want := append([]byte{8, 0, 0x7f, 0x3d}, captured[4:]...)
	if !bytes.Equal(b, want) {
		t.Errorf("request:\n got % x\nwant % x", b, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{nil, captured, reply4(nil), quote4(1, 20, 64, nil), quote4(1, 60, 8, nil), {3, 1, 0, 0, 0, 0, 0, 0, 0x4f}} {
		f.Add(false, b)
	}
	f.Add(true, reply6(nil))
	f.Add(true, quote6(3, 64))
	f.Add(true, quote6(3, 8))
	f.Fuzz(func(t *testing.T, v6 bool, b []byte) {
		m, ok := parse(v6, b)
		if ok && m.kind == echoReply && !m.whole {
			t.Errorf("a reply without nonce was accepted: % x", b)
		}
		if ok && m.kind == unreachable && m.target.Is4() == v6 {
			t.Errorf("an unreachable of another family was accepted: % x", b)
		}
	})
}
