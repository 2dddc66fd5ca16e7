package bmcsim

import (
	"crypto/tls"
	"fmt"
	"time"
)

// configFor is the tls.Config.GetConfigForClient of the listener: the address that was dialled decides who answers.
func (f *Fleet) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	conn, ok := hello.Conn.(*conn)
	if !ok {
		return nil, fmt.Errorf("hello on a foreign connection of type %T", hello.Conn)
	}
	if conn.bmc == nil {
		return f.trap.config(&f.ca)
	}
	conn.bmc.count.handshakes.Add(1)
	conn.bmc.write(Handshake, time.Now(), peerOf(conn.RemoteAddr().String()), "")
	cert, err := conn.bmc.certificate(&f.ca, time.Now())
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true}
	weaken(config, conn.bmc.faults())
	return config, nil
}

// weaken limits a server to what old ones can.
func weaken(config *tls.Config, faults faultSet) {
	switch {
	case faults.has(TLS10Only):
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		config.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	case faults.has(RSAKexOnly): // H3C HDM, idrac_exporter#204
		config.MaxVersion = tls.VersionTLS12
		config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
}
