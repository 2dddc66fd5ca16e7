package bmcsim

import "time"

const (
	netFnChassis = 0x00
	netFnApp     = 0x06

	cmdDeviceID         = 0x01
	cmdSystemGUID       = 0x37
	cmdAuthCapabilities = 0x38
	cmdSetPrivilege     = 0x3b
	cmdCloseSession     = 0x3c
	cmdCipherSuites     = 0x54

	cmdChassisStatus  = 0x01
	cmdChassisControl = 0x02

	levelUser     = 2
	levelOperator = 3
	levelAdmin    = 4
)

// Completion codes (table 5-2).
const (
	codeOK          = 0x00
	codeInvalid     = 0xc1
	codeTooShort    = 0xc7
	codeBadField    = 0xcc
	codePrivilege   = 0xd4
	codeUnspecified = 0xff
	codeNoLevel     = 0x81 // Set Session Privilege Level: exceeds the user's limit
	codeNoSession   = 0x87 // Close Session: no such session
)

// capabilities answers Get Channel Authentication Capabilities (section 22.13). A Redfish BMC has no IPMI 2.0, and says so.
func (b *bmc) capabilities(m message) []byte {
	if len(m.data) < 2 {
		return m.reply(codeTooShort)
	}
	if b.speaks != ipmi {
		return m.reply(codeOK, 1, 0, 0x04, 0, 0, 0, 0, 0)
	}
	// 0x80: the extended byte counts; 0x04: there are users with names; 0x02: IPMI 2.0.
	return m.reply(codeOK, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0)
}

// cipherSuites answers Get Channel Cipher Suites (section 22.15) with standard records.
func (b *bmc) cipherSuites(m message) []byte {
	if len(m.data) < 3 {
		return m.reply(codeTooShort)
	}
	list := []byte{1}
	for _, s := range suites {
		if _, status := accepts(s.auth, s.integrity, s.conf, b.faults()); status == statusOK && m.data[2]&0x3f == 0 {
			list = append(list, 0xc0, s.id, s.auth, 0x40|s.integrity, 0x80|s.conf)
		}
	}
	return m.reply(codeOK, list...)
}

// obey runs a command of an open session; b.mu is held.
func (b *bmc) obey(m message, s *ipmiSession, faults faultSet) []byte {
	switch {
	case m.netFn == netFnApp && m.cmd == cmdDeviceID: // section 20.1: an IPMI 2.0 BMC, firmware 2.10
		return m.reply(codeOK, 0x20, 0x01, 0x02, 0x10, 0x02, 0x80, 0, 0, 0, 0, 0)
	case m.netFn == netFnApp && m.cmd == cmdSystemGUID:
		guid := b.guid()
		return m.reply(codeOK, guid[:]...)
	case m.netFn == netFnApp && m.cmd == cmdAuthCapabilities:
		return b.capabilities(m)
	case m.netFn == netFnApp && m.cmd == cmdSetPrivilege:
		return s.setPrivilege(m)
	case m.netFn == netFnApp && m.cmd == cmdCloseSession:
		return b.closeSession(m)
	case m.netFn == netFnChassis && m.cmd == cmdChassisStatus:
		return b.chassisStatus(m, faults)
	case m.netFn == netFnChassis && m.cmd == cmdChassisControl:
		return b.chassisControl(m, s)
	}
	return m.reply(codeInvalid)
}

// setPrivilege is section 22.18; 0 asks for the present level. A session's limit is the role that RAKP 1 asked for, and 0
// there means the highest.
func (s *ipmiSession) setPrivilege(m message) []byte {
	if len(m.data) < 1 {
		return m.reply(codeTooShort)
	}
	limit, want := s.role&0x0f, m.data[0]&0x0f
	if limit == 0 {
		limit = levelAdmin
	}
	switch {
	case want == 1 || want > 5:
		return m.reply(codeBadField)
	case want > min(limit, levelAdmin):
		return m.reply(codeNoLevel)
	case want != 0:
		s.level = want
	}
	return m.reply(codeOK, s.level)
}

// closeSession is section 22.19. The answer still goes out under the session's keys.
func (b *bmc) closeSession(m message) []byte {
	if len(m.data) < 4 {
		return m.reply(codeTooShort)
	}
	id := toUint32(m.data)
	if s := b.ipmi[id]; s == nil || !s.proved {
		return m.reply(codeNoSession)
	}
	b.write(Logout, time.Now(), b.asker, b.ipmi[id].name())
	b.drop(id)
	b.count.logouts.Add(1)
	return m.reply(codeOK)
}

// chassisStatus is section 28.2; bit 0 is all that a checker wants.
func (b *bmc) chassisStatus(m message, faults faultSet) []byte {
	if faults.has(ChassisFail) {
		return m.reply(codeUnspecified)
	}
	state := byte(0x60) // power restore policy unknown
	if p := Power(b.power.Load()); p == On || p == PoweringOff {
		state |= 1
	}
	return m.reply(codeOK, state, 0, 0)
}

// chassisControl is section 28.3: 0 off, 1 on, 5 soft off; the rest ends with the power on.
func (b *bmc) chassisControl(m message, s *ipmiSession) []byte {
	switch {
	case len(m.data) < 1:
		return m.reply(codeTooShort)
	case s.level < levelOperator:
		return m.reply(codePrivilege)
	}
	power := On
	if want := m.data[0] & 0x0f; want == 0 || want == 5 {
		power = Off
	}
	b.power.Store(uint32(power))
	return m.reply(codeOK)
}
