package bmcsim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// suite is a cipher suite (IPMI 2.0 table 22-20).
type suite struct {
	id                    byte
	auth, integrity, conf byte
	hash                  func() hash.Hash
	code                  int // length of AuthCode and of RAKP 4's integrity value
}

// suites are the ones that are served, the better one first.
var suites = []suite{
	{17, 3, 4, 1, sha256.New, 16}, // RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128
	{3, 1, 1, 1, sha1.New, 12},    // RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128
}

func (s suite) mac(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(s.hash, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// exchange is what RAKP agrees on (section 13.20 to 13.24, keys in 13.31 and 13.32).
type exchange struct {
	suite            suite
	console, managed uint32
	guid             [16]byte
	clientRandom     [16]byte
	bmcRandom        [16]byte
	role             byte // as the client sent it, name-only bit included
	user             []byte
}

func le(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// named is role, name length and name, the end of each HMAC's text.
func (e *exchange) named() []byte { return append([]byte{e.role, byte(len(e.user))}, e.user...) }

func (e *exchange) rakp2(password []byte) []byte {
	return e.suite.mac(password, le(e.console), le(e.managed), e.clientRandom[:], e.bmcRandom[:], e.guid[:], e.named())
}

func (e *exchange) rakp3(password []byte) []byte {
	return e.suite.mac(password, e.bmcRandom[:], le(e.console), e.named())
}

// sik is the session integrity key; without a BMC key the user's key is taken.
func (e *exchange) sik(password []byte) []byte {
	return e.suite.mac(password, e.clientRandom[:], e.bmcRandom[:], e.named())
}

func (e *exchange) rakp4(sik []byte) []byte {
	return e.suite.mac(sik, e.clientRandom[:], le(e.managed), e.guid[:])[:e.suite.code]
}

// keys are what a session signs and encrypts with.
type keys struct {
	suite suite
	k1    []byte
	block cipher.Block
}

func newKeys(s suite, sik []byte) (keys, error) {
	k2 := s.mac(sik, bytes.Repeat([]byte{2}, 20))
	block, err := aes.NewCipher(k2[:16])
	return keys{s, s.mac(sik, bytes.Repeat([]byte{1}, 20)), block}, err
}

// verify checks a packet's AuthCode (section 13.28.4): over everything from the authentication type to the next header.
func (k keys) verify(p packet) bool {
	n := k.suite.code
	if !p.signed || len(p.trailer) < 2+n {
		return false
	}
	covered := p.raw[4 : len(p.raw)-n]
	return hmac.Equal(k.suite.mac(k.k1, covered)[:n], p.raw[len(p.raw)-n:])
}

// sign appends pad, pad length, next header and AuthCode.
func (k keys) sign(raw []byte) []byte {
	pad := -(len(raw) - 4 + 2) & 3
	raw = append(raw, bytes.Repeat([]byte{0xff}, pad)...)
	raw = append(raw, byte(pad), 0x07)
	return append(raw, k.suite.mac(k.k1, raw[4:])[:k.suite.code]...)
}

// decrypt undoes AES-CBC-128 (section 13.29): IV, text, 1 2 3 ... and the number of those.
func (k keys) decrypt(payload []byte) ([]byte, error) {
	if len(payload) < 2*aes.BlockSize || len(payload)%aes.BlockSize != 0 {
		return nil, errPacket
	}
	text := make([]byte, len(payload)-aes.BlockSize)
	cipher.NewCBCDecrypter(k.block, payload[:aes.BlockSize]).CryptBlocks(text, payload[aes.BlockSize:])
	pad := int(text[len(text)-1])
	if pad >= aes.BlockSize || pad >= len(text) {
		return nil, errPacket
	}
	return text[:len(text)-1-pad], nil
}

func (k keys) encrypt(text []byte) []byte {
	pad := -(len(text) + 1) & (aes.BlockSize - 1)
	for i := range pad {
		text = append(text, byte(i+1))
	}
	text = append(text, byte(pad))
	out := make([]byte, aes.BlockSize+len(text))
	_, _ = rand.Read(out[:aes.BlockSize]) // never fails, since Go 1.24
	cipher.NewCBCEncrypter(k.block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], text)
	return out
}
