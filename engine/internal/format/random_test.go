package format_test

import (
	"archive/tar"
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/internal/format"
)

// mutate changes a few bytes, or cuts, doubles or moves a piece.
func mutate(random *rand.Rand, seed []byte) []byte {
	b := bytes.Clone(seed)
	for range 1 + random.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := random.IntN(len(b))
		end := at + random.IntN(min(len(b)-at, 600)+1)
		switch random.IntN(6) {
		case 0:
			b = b[:at]
		case 1:
			b = append(b[:at:at], b[end:]...)
		case 2:
			b = append(b[:end:end], b[at:]...)
		case 3:
			b[at] = "/. \n\\x0\"-9"[random.IntN(10)]
		default:
			b[at] ^= 1 << random.IntN(8)
		}
	}
	return b
}

// A slice of what the fuzz targets do, the same in each run.
func TestMutatedSeeds(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 11))
	archives := [][]byte{
		writeArchive(t, format.Difftar, inOrder(difftarEntries())[:4]),
		writeArchive(t, format.Sigtar, sigtarEntries()),
		foreign(t, tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: "snapshot/" + strings.Repeat("x", 150)}, "data"),
		pax("PURSER.mtime", "-0.500000000", foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "snapshot/a"}, "data")),
	}
	manifests := []string{golden, records("1", "2", "3", "3", "1") + "Filelist 1\r\n new \"a\\x20\"\r\n"}
	names := []string{
		"duplicity-full.20231114T221320Z.vol1.difftar.gpg", "duplicity-inc.20231114T221320Z.to.20231115T221320Z.manifest.part.gpg",
		"df.s44we8.1.dt.g", "dns.s44we8.s46r28.st.p", "duplicity-full.2023-11-14T17_13_20-05_00.vol1.difftar.gpg",
	}
	times := []string{"now", "1700000000", "20231114T221320Z", "2023-07-14T22:13:20+05:30", "1D12h", "4/26/2002", "1Y2M3W4D5h6m7s"}
	text := func(seeds []string, n int) string { return string(mutate(random, []byte(seeds[n%len(seeds)]))) }
	for n := range 3000 {
		checkArchive(t, mutate(random, archives[n%len(archives)]), n%len(archives) == 1)
		checkManifest(t, []byte(text(manifests, n)))
		checkName(t, text(names, n))
		checkTime(t, text(times, n))
		checkInterval(t, text(times, n))
	}
}
