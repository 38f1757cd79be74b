package filter

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"joboutputs/shared/problem"
)

type digest = [sha256.Size]byte

// A cursor is, in base64url without padding: cursorVersion, the first cursorHash bytes of
// a SHA-256 over what it belongs to, and for every key of the order the value of the last
// row listed. A value is 0 for NULL, else 1 and a varint (numbers, times in microseconds)
// or the length as a varint and the text.
const (
	cursorVersion = 1
	cursorHash    = 12
)

var cursorEncoding = base64.RawURLEncoding.Strict()

// EncodeCursor returns the cursor of the page after the one that ends in last: letters,
// digits, - and _, some 40 and a third more than the texts sorted by. It is good for the
// same tenant, filter and order only; the size of the page may change. It holds sort
// values and never a key of the table. It is not signed: a forged one names another place
// in the caller's own list.
func (s *Spec) EncodeCursor(tenant string, last *Row) string {
	b := s.cursorHead(tenant)
	for _, k := range s.OrderBy {
		if k.Column.isText() {
			text, ok := k.Column.text(last)
			if !ok {
				b = append(b, 0)
				continue
			}
			b = binary.AppendUvarint(append(b, 1), uint64(len(text)))
			b = append(b, text...)
		} else {
			v, ok := k.Column.number(last)
			if !ok {
				b = append(b, 0)
				continue
			}
			b = binary.AppendVarint(append(b, 1), v)
		}
	}
	return cursorEncoding.EncodeToString(b)
}

// DecodeCursor returns where s.Cursor says the last page ended, as a row that holds the
// sort values and nothing else: the next page is the rows that Compare puts after it. It
// returns nil if there is no cursor, and the problem invalid_request for anything that
// EncodeCursor did not return for this tenant, filter and order.
func (s *Spec) DecodeCursor(tenant string) (after *Row, err error) {
	if s.Cursor == "" {
		return nil, nil
	}
	b, err := cursorEncoding.DecodeString(s.Cursor)
	if err != nil || len(b) == 0 || b[0] != cursorVersion {
		return nil, problem.New(problem.InvalidRequest, "cursor: not a cursor of this API")
	}
	head := s.cursorHead(tenant)
	if len(b) < len(head) || string(b[:len(head)]) != string(head) {
		return nil, problem.New(problem.InvalidRequest, "cursor: made for another filter or order")
	}
	row := s.readSortValues(b[len(head):])
	// What differs from our own encoding of the same values is not ours.
	if s.EncodeCursor(tenant, row) != s.Cursor {
		return nil, problem.New(problem.InvalidRequest, "cursor: damaged")
	}
	return row, nil
}

// readSortValues reads as far as b makes sense; its caller checks the result.
func (s *Spec) readSortValues(b []byte) *Row {
	var row Row
	for _, k := range s.OrderBy {
		if len(b) == 0 {
			break
		}
		isNull := b[0] == 0
		b = b[1:]
		switch {
		case isNull:
		case k.Column.isText():
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return &row
			}
			k.Column.setText(&row, string(b[n:n+int(size)]))
			b = b[n+int(size):]
		default:
			v, n := binary.Varint(b)
			if n <= 0 {
				return &row
			}
			k.Column.setNumber(&row, v)
			b = b[n:]
		}
	}
	return &row
}

func (s *Spec) cursorHead(tenant string) []byte {
	h := sha256.New()
	h.Write(s.identity[:]) // of fixed length, so nothing runs into the tenant
	h.Write([]byte(tenant))
	return append([]byte{cursorVersion}, h.Sum(nil)[:cursorHash]...)
}
