package rmcp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
)

// nextHeader ends the signed part of a session packet (table 13-8).
const nextHeader = 0x07

// seal encrypts and signs a message (section 13.28 and 13.29).
func (s *Session) seal(request []byte) []byte {
	s.sent++
	d := plain20(payloadIPMI|flagEncrypted|flagAuthenticated, s.managed, s.sent, s.encrypt(request))
	pad := -(len(d) - 4 + 2) & 3 // to a multiple of four from the authentication type to the next header
	for range pad {
		d = append(d, 0xff)
	}
	d = append(d, byte(pad), nextHeader)
	return append(d, s.suite.hmac(s.keys.k1, d[4:])[:s.suite.code]...)
}

// encrypt returns IV and ciphertext; the trailer is 1, 2, 3 ... and its own length.
func (s *Session) encrypt(plain []byte) []byte {
	pad := -(len(plain) + 1) & (aes.BlockSize - 1)
	b := make([]byte, aes.BlockSize, aes.BlockSize+len(plain)+pad+1)
	_, _ = rand.Read(b) // never fails: crypto/rand
	b = append(b, plain...)
	for i := range pad {
		b = append(b, byte(i+1))
	}
	b = append(b, byte(pad))
	cipher.NewCBCEncrypter(s.block(), b[:aes.BlockSize]).CryptBlocks(b[aes.BlockSize:], b[aes.BlockSize:])
	return b
}

func (s *Session) block() cipher.Block {
	block, err := aes.NewCipher(s.keys.aes)
	if err != nil {
		panic("rmcp: " + err.Error()) // the key always has 16 bytes
	}
	return block
}

// open verifies, then decrypts a packet of the session. A packet that is not signed and encrypted is a forgery: the suite
// demands both.
func (s *Session) open(p packet) (message, error) {
	if err := s.verify(p); err != nil {
		return message{}, err
	}
	plain, err := s.decrypt(p.payload)
	if err != nil {
		return message{}, err
	}
	return parseResponse(plain)
}

// plainRAKP4 is the payload of a RAKP 4. To a RAKP 3 that comes again ipmi_sim (2.0.33) and pyghmi (1.5.34) answer as within
// the session, signed and encrypted.
func (s *Session) plainRAKP4(p packet) ([]byte, error) {
	if p.kind != fromSealedRAKP4 {
		return p.payload, nil
	}
	if err := s.verify(p); err != nil {
		return nil, err
	}
	return s.decrypt(p.payload)
}

// verify checks signature and sequence number.
func (s *Session) verify(p packet) error {
	if p.flags != flagEncrypted|flagAuthenticated {
		return fmt.Errorf("%w: a session packet that is not signed and encrypted", ErrForged)
	}
	if len(p.trailer) < 2+s.suite.code {
		return fmt.Errorf("%w: session trailer of %d bytes", ErrMalformed, len(p.trailer))
	}
	signature := len(p.trailer) - s.suite.code
	pad := p.trailer[:signature-2]
	if len(pad) > 3 || int(p.trailer[signature-2]) != len(pad) || p.trailer[signature-1] != nextHeader {
		return fmt.Errorf("%w: session trailer's padding", ErrMalformed)
	}
	signed := p.signed[:len(p.signed)-s.suite.code]
	if !hmac.Equal(s.suite.hmac(s.keys.k1, signed)[:s.suite.code], p.trailer[signature:]) {
		return fmt.Errorf("%w: authentication code of a session packet", ErrForged)
	}
	if !s.seen.accept(p.seq) {
		return errNotOurs // an old packet again
	}
	return nil
}

// decrypt reads IV, ciphertext and the confidentiality trailer (table 13-20).
func (s *Session) decrypt(b []byte) ([]byte, error) {
	if len(b) < 2*aes.BlockSize || len(b)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d encrypted bytes", ErrMalformed, len(b))
	}
	plain := make([]byte, len(b)-aes.BlockSize)
	cipher.NewCBCDecrypter(s.block(), b[:aes.BlockSize]).CryptBlocks(plain, b[aes.BlockSize:])
	last := len(plain) - 1
	pad := int(plain[last])
	if pad >= aes.BlockSize || pad > last {
		return nil, fmt.Errorf("%w: confidentiality pad of %d bytes", ErrMalformed, pad)
	}
	for i := range pad {
		if plain[last-pad+i] != byte(i+1) {
			return nil, fmt.Errorf("%w: confidentiality pad", ErrMalformed)
		}
	}
	return plain[:last-pad], nil
}
