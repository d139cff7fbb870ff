package pgp

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/ProtonMail/go-crypto/bitcurves"
	"github.com/ProtonMail/go-crypto/brainpool"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// keygrip is GnuPG's name of a key, whatever protocol it is used in: the SHA-1
// of its public parameters in libgcrypt's form. Files of secret keys are named
// so. It is empty for keys that GnuPG 2.2 doesn't know.
func keygrip(pub *packet.PublicKey) string {
	f := fields{publicBody(pub)}
	f.take(6) // version, time, algorithm (RFC 4880, 5.5.2)
	var sum [sha1.Size]byte
	switch pub.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		sum = sha1.Sum(signed(f.mpi()))
	case packet.PubKeyAlgoDSA:
		sum = gripOf("pqgy", signed(f.mpi()), signed(f.mpi()), signed(f.mpi()), signed(f.mpi()))
	case packet.PubKeyAlgoElGamal:
		sum = gripOf("pgy", signed(f.mpi()), signed(f.mpi()), signed(f.mpi()))
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoECDH, packet.PubKeyAlgoEdDSA:
		curve := curveByOID(f.oid())
		if curve == nil {
			return ""
		}
		sum = curve.grip(f.mpi())
	default:
		return ""
	}
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// publicBody is the body of the key's packet as a public key.
func publicBody(pub *packet.PublicKey) []byte {
	var b bytes.Buffer
	// A Buffer takes everything; the first three bytes are the head for hashing.
	if err := pub.SerializeForHash(&b); err != nil || b.Len() < 3 {
		return nil
	}
	return b.Bytes()[3:]
}

// gripOf hashes (1:NAME LENGTH:VALUE) for each parameter.
func gripOf(names string, values ...[]byte) (sum [sha1.Size]byte) {
	h := sha1.New()
	for i, v := range values {
		fmt.Fprintf(h, "(1:%c%d:%s)", names[i], len(v), v)
	}
	h.Sum(sum[:0])
	return sum
}

// signed is a number with a leading zero where its first bit is set.
func signed(b []byte) []byte {
	if len(b) > 0 && b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

// domain holds the parameters of a curve as libgcrypt names them.
type domain struct {
	p, a, b, n *big.Int
	g          []byte // the base point, uncompressed
	prefix     bool   // points carry a 0x40 that the grip leaves out
}

func (d *domain) grip(q []byte) [sha1.Size]byte {
	if d.prefix && len(q) > 0 && q[0] == 0x40 {
		q = q[1:]
	}
	return gripOf("pabgnq", d.p.Bytes(), d.a.Bytes(), d.b.Bytes(), d.g, d.n.Bytes(), q)
}

func curveByOID(oid []byte) *domain {
	switch hex.EncodeToString(oid) {
	case "2a8648ce3d030107":
		return nist(elliptic.P256())
	case "2b81040022":
		return nist(elliptic.P384())
	case "2b81040023":
		return nist(elliptic.P521())
	case "2b8104000a":
		return secp256k1()
	case "2b2403030208010107":
		return random(brainpool.P256r1(), brainpool.P256t1())
	case "2b240303020801010b":
		return random(brainpool.P384r1(), brainpool.P384t1())
	case "2b240303020801010d":
		return random(brainpool.P512r1(), brainpool.P512t1())
	case "2b06010401da470f01":
		return ed25519Domain()
	case "2b060104019755010501":
		return curve25519Domain()
	}
	return nil
}

// nist is y² = x³ - 3x + b.
func nist(c elliptic.Curve) *domain {
	k := c.Params()
	return &domain{p: k.P, a: new(big.Int).Sub(k.P, big.NewInt(3)), b: k.B, n: k.N, g: uncompressed(k.Gx, k.Gy, (k.BitSize+7)/8)}
}

func secp256k1() *domain {
	k := bitcurves.S256()
	return &domain{p: k.P, a: new(big.Int), b: k.B, n: k.N, g: uncompressed(k.Gx, k.Gy, (k.BitSize+7)/8)}
}

// random finds a and b of a Brainpool curve, which its package leaves out, from
// its twin with a = -3: with x = ux', a = -3u² and b = b'u³ (RFC 5639, 2.3).
func random(c, twin elliptic.Curve) *domain {
	k, t := c.Params(), twin.Params()
	u := new(big.Int).ModInverse(t.Gx, k.P)
	u.Mul(u, k.Gx).Mod(u, k.P)
	a := new(big.Int).Mul(u, u)
	b := new(big.Int).Mul(a, u)
	a.Mul(a, big.NewInt(-3)).Mod(a, k.P)
	b.Mul(b, t.B).Mod(b, k.P)
	return &domain{p: k.P, a: a, b: b, n: k.N, g: uncompressed(k.Gx, k.Gy, (k.BitSize+7)/8)}
}

// libgcrypt writes the negative a and b of Ed25519 without their sign, and for
// Curve25519 (A-2)/4 for a.
func ed25519Domain() *domain {
	return &domain{
		p: prime25519(), a: big.NewInt(1), b: number("2dfc9311d490018c7338bf8688861767ff8ff5b2bebe27548a14b235eca6874a"), n: order25519(),
		g: uncompressed(number("216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a"),
			number("6666666666666666666666666666666666666666666666666666666666666658"), 32),
		prefix: true,
	}
}

func curve25519Domain() *domain {
	return &domain{
		p: prime25519(), a: big.NewInt(0x1db41), b: big.NewInt(1), n: order25519(),
		g:      uncompressed(big.NewInt(9), number("20ae19a1b8a086b4e01edd2c7748d14c923d4d7e6d7c61b229e9c5a27eced3d9"), 32),
		prefix: true,
	}
}

func prime25519() *big.Int {
	return number("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed")
}

func order25519() *big.Int {
	return number("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
}

func number(hexadecimal string) *big.Int {
	n, _ := new(big.Int).SetString(hexadecimal, 16) // constants of this file
	return n
}

func uncompressed(x, y *big.Int, size int) []byte {
	b := make([]byte, 1+2*size)
	b[0] = 4
	x.FillBytes(b[1 : 1+size])
	y.FillBytes(b[1+size:])
	return b
}

// fields reads the body of a packet from its start. What is missing is empty.
type fields struct{ rest []byte }

func (f *fields) take(n int) []byte {
	n = min(n, len(f.rest))
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

// mpi reads a number (RFC 4880, 3.2).
func (f *fields) mpi() []byte {
	head := f.take(2)
	if len(head) < 2 {
		return nil
	}
	return f.take((int(binary.BigEndian.Uint16(head)) + 7) / 8)
}

// oid reads a curve's identifier (RFC 6637, 9).
func (f *fields) oid() []byte {
	head := f.take(1)
	if len(head) < 1 {
		return nil
	}
	return f.take(int(head[0]))
}

// appendMPI writes a number (RFC 4880, 3.2).
func appendMPI(b, number []byte) []byte {
	n := new(big.Int).SetBytes(number)
	b = binary.BigEndian.AppendUint16(b, uint16(n.BitLen()))
	return append(b, n.Bytes()...)
}
