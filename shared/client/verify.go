package client

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
	"strings"
)

// Verifier takes the bytes of an output, in order, and says whether they are the output's.
type Verifier struct {
	want   Output
	size   int64
	sha    hash.Hash
	second hash.Hash // of Output.Checksum; nil = it tells nothing more

	// Of a composite checksum: the hash of the parts; nil = there is none, or the size of the
	// parts can't be told. certain = that size is known and not concluded.
	parts   *composite
	certain bool
}

// crc64NVME is S3's CRC64NVME (reflected 0xad93d23594c93659).
var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// NewVerifier makes a Verifier for an output.
func NewVerifier(o Output) *Verifier { return newVerifier(o, 0) }

// newVerifier makes a Verifier for an output that was sent in parts of a size; 0 = that
// is not known.
func newVerifier(o Output, partSize int64) *Verifier {
	v := &Verifier{want: o, sha: sha256.New()}
	if o.SHA256 == nil && o.Checksum.ofParts() {
		v.certain = partSize > 0
		if partSize == 0 {
			partSize = concluded(o)
		}
		if partSize > 0 {
			v.parts = &composite{partSize: partSize, one: sha256.New()}
		}
	}
	if o.SHA256 == nil && o.Checksum != nil && o.Checksum.Type == "full" {
		switch o.Checksum.Algorithm {
		case "CRC64NVME":
			v.second = crc64.New(crc64NVME)
		case "CRC32":
			v.second = crc32.NewIEEE()
		case "CRC32C":
			v.second = crc32.New(crc32.MakeTable(crc32.Castagnoli))
		case "SHA256":
			v.second = sha256.New()
		}
	}
	return v
}

// Write takes more of the content. It never fails.
func (v *Verifier) Write(p []byte) (int, error) {
	v.size += int64(len(p))
	v.sha.Write(p)
	if v.second != nil {
		v.second.Write(p)
	}
	if v.parts != nil {
		v.parts.write(p)
	}
	return len(p), nil
}

// SHA256 is that of what came, in hex.
func (v *Verifier) SHA256() string { return hex.EncodeToString(v.sha.Sum(nil)) }

// Check compares what came with what the service says: the size, and the SHA-256 of the
// whole or, where that is not known, another checksum. It answers what proves the content:
// "SHA-256", "SHA-256 of the parts", "CRC64NVME" and so on, or "size" where nothing else
// could be compared: the service knows no checksum, or that of parts whose size it does not
// tell. It fails with a *VerificationError.
func (v *Verifier) Check() (proof string, err error) {
	if v.size != v.want.Size {
		return "", &VerificationError{"size", fmt.Sprint(v.size), fmt.Sprint(v.want.Size)}
	}
	if v.want.SHA256 != nil {
		if got := v.SHA256(); got != *v.want.SHA256 {
			return "", &VerificationError{"SHA-256", got, *v.want.SHA256}
		}
		return "SHA-256", nil
	}
	if v.second != nil {
		if got := base64.StdEncoding.EncodeToString(v.second.Sum(nil)); got != v.want.Checksum.Value {
			return "", &VerificationError{v.want.Checksum.Algorithm, got, v.want.Checksum.Value}
		}
		return v.want.Checksum.Algorithm, nil
	}
	if v.parts != nil {
		got := v.parts.sum()
		if got == v.want.Checksum.Value {
			return ofParts, nil
		}
		if v.certain {
			return "", &VerificationError{ofParts, got, v.want.Checksum.Value}
		}
	}
	return "size", nil
}

const ofParts = "SHA-256 of the parts"

func (c *Checksum) ofParts() bool {
	return c != nil && c.Type == "composite" && c.Algorithm == "SHA256"
}

// concluded is the size of the parts of an output if it is a power of two, from 8 MiB, as
// the service chooses it: of these, one at most makes so many parts. 0 = there is none.
func concluded(o Output) int64 {
	_, text, _ := strings.Cut(o.Checksum.Value, "-")
	count, err := strconv.ParseInt(text, 10, 64)
	if err != nil || count < 1 {
		return 0
	}
	if count == 1 {
		return max(o.Size, 1)
	}
	for size := int64(8 << 20); size < o.Size; size *= 2 {
		if (o.Size+size-1)/size == count {
			return size
		}
	}
	return 0
}

// composite is S3's checksum of the parts' checksums:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
type composite struct {
	partSize int64
	one      hash.Hash // of the part that is under way
	n        int64     // bytes of it
	sums     []sum
}

func (c *composite) write(p []byte) {
	for len(p) > 0 {
		if c.n == c.partSize {
			c.end()
		}
		n := min(int64(len(p)), c.partSize-c.n)
		c.one.Write(p[:n])
		c.n, p = c.n+n, p[n:]
	}
}

func (c *composite) end() {
	c.sums = append(c.sums, sum(c.one.Sum(nil)))
	c.one.Reset()
	c.n = 0
}

// sum is the checksum as S3 writes it; nothing may be written any more.
func (c *composite) sum() string {
	if c.n > 0 {
		c.end()
	}
	return compositeOf(c.sums)
}

func compositeOf(sums []sum) string {
	all := sha256.New()
	for _, s := range sums {
		all.Write(s[:])
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(all.Sum(nil)), len(sums))
}
