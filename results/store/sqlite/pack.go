package sqlite

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// plain is what JSON begins with that is not packed: packing costs more than all else that is done with a verdict.
const plain = '{'

// What packs begin with says how they are packed. None is ever another: they are on disks.
const packedV1 = 1 // deflate with the dictionary of dictionaryV1

// dictionaryV1 is what verdicts and changes have in common. It never changes: who has a better one adds another.
//
//go:embed verdict.dict
var dictionaryV1 []byte

// mostUnpacked is how large a document may be; Kafka takes none larger.
const mostUnpacked = 4 << 20

// packer packs documents, one at a time.
type packer struct {
	out bytes.Buffer
	to  *flate.Writer
}

// pack packs what v is in JSON.
func (p *packer) pack(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return p.packText(text)
}

// packText packs JSON.
func (p *packer) packText(text []byte) (packed []byte, err error) {
	p.out.Reset()
	p.out.WriteByte(packedV1)
	if p.to == nil {
		if p.to, err = flate.NewWriterDict(&p.out, 5, dictionaryV1); err != nil {
			return nil, err
		}
	} else {
		p.to.Reset(&p.out)
	}
	if _, err := p.to.Write(text); err != nil {
		return nil, err
	}
	if err := p.to.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(p.out.Bytes()), nil
}

// unpack is the opposite of pack.
func unpack(packed []byte, into any) error {
	if len(packed) > 0 && packed[0] == plain {
		return json.Unmarshal(packed, into)
	}
	if len(packed) == 0 || packed[0] != packedV1 {
		return fmt.Errorf("a document of %d bytes is packed in a way that this program does not know", len(packed))
	}
	from := unpackers.Get().(*unpacker)
	defer unpackers.Put(from)
	text, err := from.text(packed[1:])
	if err != nil {
		return fmt.Errorf("unpack a document of %d bytes: %w", len(packed), err)
	}
	return json.Unmarshal(text, into)
}

// unpacker is dear to make.
type unpacker struct {
	from io.ReadCloser
	out  bytes.Buffer
}

var unpackers = sync.Pool{New: func() any { return &unpacker{from: flate.NewReader(nil)} }}

// text is what was packed, until the unpacker is used again.
func (u *unpacker) text(packed []byte) ([]byte, error) {
	u.out.Reset()
	if err := u.from.(flate.Resetter).Reset(bytes.NewReader(packed), dictionaryV1); err != nil {
		return nil, err
	}
	_, err := u.out.ReadFrom(io.LimitReader(u.from, mostUnpacked))
	return u.out.Bytes(), err
}
