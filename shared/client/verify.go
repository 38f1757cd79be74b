package client

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
)

// Verifier takes the bytes of an output, in order, and says whether they are the output's.
type Verifier struct {
	want   Output
	size   int64
	sha    hash.Hash
	second hash.Hash  // of Output.Checksum, if it is of the whole; nil = it tells nothing more
	parts  *composite // of Output.Checksum, if it is of the parts; nil = it is not
}

// crc64NVME is S3's CRC64NVME (reflected 0xad93d23594c93659).
var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// NewVerifier makes a Verifier for an output.
func NewVerifier(o Output) *Verifier {
	v := &Verifier{want: o, sha: sha256.New()}
	if o.SHA256 == nil && o.Checksum.ofParts() {
		v.parts = &composite{partSize: o.Checksum.PartSize, one: sha256.New()}
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
// "SHA-256", "SHA-256 of the parts", "CRC64NVME" and so on, or "size" where the service
// knows no checksum, which is so of no output that was added through its API. It fails with
// a *VerificationError.
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
		if got != v.want.Checksum.Value {
			return "", &VerificationError{ofParts, got, v.want.Checksum.Value}
		}
		return ofParts, nil
	}
	return "size", nil
}

const ofParts = "SHA-256 of the parts"

func (c *Checksum) ofParts() bool {
	return c != nil && c.Type == "composite" && c.Algorithm == "SHA256" && c.PartSize > 0
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
