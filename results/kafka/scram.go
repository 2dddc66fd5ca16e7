package kafka

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// scram is the client's side of SCRAM (RFC 5802, RFC 7677), without channel binding.
type scram struct {
	hash               func() hash.Hash
	password           string
	nonce              string
	first, serverProof string
	steps              int
}

func newScram(m Mechanism) *scram {
	if m == ScramSHA256 {
		return &scram{hash: sha256.New, nonce: rand.Text()}
	}
	return &scram{hash: sha512.New, nonce: rand.Text()}
}

// Begin sets who logs in.
func (s *scram) Begin(user, password, _ string) error {
	user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
	s.first, s.password, s.steps = "n="+user+",r="+s.nonce, password, 0
	return nil
}

// Done says whether the server has proved that it knows the password, too.
func (s *scram) Done() bool { return s.steps == 3 }

// Step answers the server.
func (s *scram) Step(challenge string) (string, error) {
	s.steps++
	switch s.steps {
	case 1:
		return "n,," + s.first, nil
	case 2:
		return s.prove(challenge)
	}
	if s.steps == 3 && hmac.Equal([]byte(challenge), []byte(s.serverProof)) {
		return "", nil
	}
	s.steps = 0
	return "", errors.New("scram: the broker does not prove that it knows the password")
}

const (
	scramFewest = 4096    // RFC 7677, section 4
	scramMost   = 1 << 17 // more would be an attack on our processor
)

func (s *scram) prove(challenge string) (string, error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(field, "=")
		fields[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	rounds, errRounds := strconv.Atoi(fields["i"])
	if err != nil || errRounds != nil || len(salt) == 0 || rounds < scramFewest || rounds > scramMost || !strings.HasPrefix(fields["r"], s.nonce) || fields["r"] == s.nonce {
		return "", errors.New("scram: the broker's challenge is malformed")
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, rounds, s.hash().Size())
	if err != nil {
		return "", fmt.Errorf("scram: %w", err)
	}
	final := "c=biws,r=" + fields["r"]
	message := s.first + "," + challenge + "," + final
	clientKey := s.sum(salted, "Client Key")
	h := s.hash()
	h.Write(clientKey)
	proof := s.sum(h.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.serverProof = "v=" + base64.StdEncoding.EncodeToString(s.sum(s.sum(salted, "Server Key"), message))
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func (s *scram) sum(key []byte, text string) []byte {
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
