package rmcp

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"slices"
)

// suite is a cipher suite (table 22-20): how login, messages and content are protected. The content always by AES-CBC-128.
type suite struct {
	id uint8
	// authentication, integrity and confidentiality are the algorithm numbers of tables 13-17 to 13-19.
	authentication, integrity, confidentiality byte

	hash func() hash.Hash
	// code is the length of the integrity check value and of a message's authentication code.
	code int
}

// suites are the only ones that we speak, best first. Suite 0 proves nothing, 1 and 2 show the content, MD5 is broken.
var suites = []suite{
	{id: 17, authentication: 3, integrity: 4, confidentiality: 1, hash: sha256.New, code: 16},
	{id: 3, authentication: 1, integrity: 1, confidentiality: 1, hash: sha1.New, code: 12},
}

// Suites are the IDs of the cipher suites in the order in which they are tried, first before the others when it is one.
func Suites(first uint8) []uint8 {
	ids := make([]uint8, 0, len(suites))
	for _, s := range suites {
		ids = append(ids, s.id)
	}
	if i := slices.Index(ids, first); i > 0 {
		ids = slices.Insert(slices.Delete(ids, i, i+1), 0, first)
	}
	return ids
}

func suiteByID(id uint8) (suite, bool) {
	i := slices.IndexFunc(suites, func(s suite) bool { return s.id == id })
	if i < 0 {
		return suite{}, false
	}
	return suites[i], true
}

func (s suite) hmac(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(s.hash, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// keys are what both sides derive at the end of the handshake (sections 13.31 and 13.32).
type keys struct {
	sik, k1 []byte
	aes     []byte
}

func (s suite) keys(sik []byte) keys {
	constant := func(b byte) []byte { return slices.Repeat([]byte{b}, 20) }
	return keys{sik: sik, k1: s.hmac(sik, constant(1)), aes: s.hmac(sik, constant(2))[:16]}
}
