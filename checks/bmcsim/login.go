package bmcsim

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"time"
)

func toUint32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

func addrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// refuseRAKP is RAKP 2 or 4 with a status that ends the login.
func refuseRAKP(kind, tag, status byte, console uint32) []byte {
	return plus(kind, 0, 0, append([]byte{tag, status, 0, 0}, le(console)...))
}

// answerRAKP1 answers with RAKP 2 (sections 13.20, 13.21). A repeated RAKP 1 gets the same answer and counts once.
func (b *bmc) answerRAKP1(in []byte, faults faultSet, now time.Time) []byte {
	if len(in) < 28 || int(in[27]) > 16 || len(in) < 28+int(in[27]) {
		return nil
	}
	s := b.ipmi[toUint32(in[4:])]
	if s == nil || s.proved {
		return refuseRAKP(payloadRAKP2, in[0], statusNoSession, 0)
	}
	if !s.asked {
		b.count.attempts.Add(1)
		b.count.refused.Add(1) // until RAKP 3 proves the password
		_, _ = rand.Read(s.bmcRandom[:])
	}
	s.asked, s.used, s.role = true, now, in[24]
	copy(s.clientRandom[:], in[8:24])
	s.user = append([]byte(nil), in[28:28+int(in[27])]...)
	status := byte(statusOK)
	switch {
	case string(s.user) != b.realUser():
		status = statusBadName
	case faults.has(NoPrivilege):
		status = statusBadRole
	}
	if status != statusOK {
		b.write(RefusedLogin, now, b.asker, "")
		b.drop(s.managed)
		return refuseRAKP(payloadRAKP2, in[0], status, s.console)
	}
	code := s.rakp2([]byte(b.realPassword()))
	if faults.has(ForgedRAKP2) {
		code[0] ^= 0xff
	}
	out := append([]byte{in[0], statusOK, 0, 0}, le(s.console)...)
	out = append(append(append(out, s.bmcRandom[:]...), s.guid[:]...), code...)
	return plus(payloadRAKP2, 0, 0, out)
}

// answerRAKP3 answers with RAKP 4 (sections 13.22, 13.23) and opens the session.
func (b *bmc) answerRAKP3(in []byte, faults faultSet, now time.Time) []byte {
	if len(in) < 8 {
		return nil
	}
	s := b.ipmi[toUint32(in[4:])]
	if s == nil || !s.asked {
		return refuseRAKP(payloadRAKP4, in[0], statusNoSession, 0)
	}
	if in[1] != statusOK { // the client did not believe RAKP 2: nobody answers that
		b.write(RefusedLogin, now, b.asker, "")
		b.drop(s.managed)
		return nil
	}
	password := []byte(b.realPassword())
	if !hmac.Equal(in[8:], s.rakp3(password)) {
		b.write(RefusedLogin, now, b.asker, "")
		b.drop(s.managed)
		return refuseRAKP(payloadRAKP4, in[0], statusBadCheck, s.console)
	}
	sik := s.sik(password)
	code := s.rakp4(sik)
	if faults.has(ForgedRAKP4) {
		b.drop(s.managed)
		code[0] ^= 0xff
	} else if !b.prove(s, sik, now) {
		return refuseRAKP(payloadRAKP4, in[0], statusNoResources, s.console)
	}
	out := append([]byte{in[0], statusOK, 0, 0}, le(s.console)...)
	return plus(payloadRAKP4, 0, 0, append(out, code...))
}

// prove opens the session; a repeated RAKP 3 opens nothing twice.
func (b *bmc) prove(s *ipmiSession, sik []byte, now time.Time) bool {
	s.used = now
	if s.proved {
		return true
	}
	var err error
	if s.keys, err = newKeys(s.exchange.suite, sik); err != nil {
		return false
	}
	s.proved, s.level = true, levelUser // section 22.18: a session begins at user level
	b.count.refused.Add(-1)
	b.count.logins.Add(1)
	b.write(Login, now, s.peer, s.name())
	b.count.sessions.add(1)
	return true
}

// answerInSession checks, decrypts, obeys, encrypts and signs.
func (b *bmc) answerInSession(p packet, faults faultSet, now time.Time) []byte {
	s := b.ipmi[p.session]
	if s == nil || !s.proved || !p.encrypted || !s.verify(p) {
		return nil
	}
	text, err := s.decrypt(p.payload)
	if err != nil {
		return nil
	}
	m, err := parseMessage(text)
	if err != nil {
		return nil
	}
	s.used = now
	s.seq++
	payload := s.encrypt(b.obey(m, s, faults))
	if faults.has(Truncated) {
		payload = payload[:7]
	}
	answer := s.sign(plus(flagEncrypted|flagAuthenticated|payloadIPMI, s.console, s.seq, payload))
	if faults.has(ForgedAuthCode) {
		answer[len(answer)-1] ^= 0xff
	}
	return answer
}
