package format_test

import (
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

var (
	t1 = time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	t2 = time.Date(2023, 11, 15, 22, 13, 20, 0, time.UTC)
)

func TestNames(t *testing.T) {
	for s, want := range map[string]format.Name{
		"duplicity-full.20231114T221320Z.vol1.difftar.gpg":                              {Kind: format.KindVolume, Time: t1, Volume: 1, Suffix: format.Encrypted},
		"duplicity-full.20231114T221320Z.vol12.difftar.gz":                              {Kind: format.KindVolume, Time: t1, Volume: 12, Suffix: format.Gzip},
		"duplicity-inc.20231114T221320Z.to.20231115T221320Z.vol3.difftar":               {Kind: format.KindVolume, Start: t1, Time: t2, Volume: 3},
		"duplicity-full.20231114T221320Z.manifest":                                      {Kind: format.KindManifest, Time: t1},
		"duplicity-full.20231114T221320Z.manifest.gz":                                   {Kind: format.KindManifest, Time: t1, Suffix: format.Gzip},
		"duplicity-full.20231114T221320Z.manifest.part":                                 {Kind: format.KindManifest, Time: t1, Part: true},
		"duplicity-inc.20231114T221320Z.to.20231115T221320Z.manifest.gpg":               {Kind: format.KindManifest, Start: t1, Time: t2, Suffix: format.Encrypted},
		"duplicity-full-signatures.20231114T221320Z.sigtar.gz":                          {Kind: format.KindSignatures, Time: t1, Suffix: format.Gzip},
		"duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.part":     {Kind: format.KindSignatures, Start: t1, Time: t2, Part: true},
		"duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.part.gpg": {Kind: format.KindSignatures, Start: t1, Time: t2, Part: true, Suffix: format.Encrypted},
	} {
		got, ok := format.ParseName(s)
		if !ok || got != want {
			t.Errorf("ParseName(%q) = %+v, %v; want %+v", s, got, ok, want)
		}
		if got.String() != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		if got.Full() != want.Start.IsZero() {
			t.Errorf("%q: Full is %v", s, got.Full())
		}
	}
}

func TestLegacyNames(t *testing.T) {
	const full, inc = "duplicity-full.20231114T221320Z", "duplicity-inc.20231114T221320Z.to.20231115T221320Z"
	for s, want := range map[string]string{
		"df.s44we8.1.dt.g":       full + ".vol1.difftar.gpg",
		"df.s44we8.a.dt.z":       full + ".vol10.difftar.gz",
		"df.s44we8.m.g":          full + ".manifest.gpg",
		"df.s44we8.m.p":          full + ".manifest.part",
		"dfs.s44we8.st.g":        "duplicity-full-signatures.20231114T221320Z.sigtar.gpg",
		"di.s44we8.s46r28.2.dt":  inc + ".vol2.difftar",
		"di.s44we8.s46r28.m":     inc + ".manifest",
		"dns.s44we8.s46r28.st.z": "duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.gz",
		"dns.s44we8.s46r28.st.p": "duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.part",
		"duplicity-full.2023-11-14T17:13:20-05:00.vol1.difftar.gpg":                            full + ".vol1.difftar.gpg",
		"duplicity-full.2023-11-14T17_13_20-05_00.vol1.difftar.gpg":                            full + ".vol1.difftar.gpg",
		"duplicity-full.2023-11-14T22:13:20Z.manifest":                                         full + ".manifest",
		"duplicity-inc.2023-11-14T22:13:20Z.to.2023-11-16T03:43:20+05:30.vol2.difftar":         inc + ".vol2.difftar",
		"duplicity-new-signatures.2023-11-14T22:13:20Z.to.2023-11-15T17:13:20-05:00.sigtar.gz": "duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.gz",
	} {
		got, ok := format.ParseName(s)
		if !ok || got.Style == format.Current || got.String() != want {
			t.Errorf("ParseName(%q) = %+v, %v: %s; want %s", s, got, ok, got, want)
		}
	}
}

func TestForeignNames(t *testing.T) {
	for _, s := range []string{
		"", ".", "duplicity-", "lost+found", "duplicity-full.", ".purser-1234",
		"duplicity-full.20231114T221320Z.vol0.difftar.gpg",
		"duplicity-full.20231114T221320Z.vol01.difftar.gpg",
		"duplicity-full.20231114T221320Z.vol+1.difftar.gpg",
		"duplicity-full.20231114T221320Z.vol99999999999.difftar.gpg",
		"duplicity-full.20231114T221320Z.vol1.difftar.gpg.par2",
		"duplicity-full.20231114T221320Z.vol1.difftar.tmp",
		"duplicity-full.20231114T221320Z.vol1.difftar.zst",
		"duplicity-full.20231114T221320Z.vol1.difftar.part",
		"duplicity-full.20231114T221320Z.vol1.manifest",
		"duplicity-full.20231114T221320Z.jsonstat.gpg",
		"duplicity-full.20231114T221320Z.sigtar.gpg",
		"duplicity-full-signatures.20231114T221320Z.manifest",
		"duplicity-full.1700000000.manifest",
		"duplicity-full.7D.manifest",
		"duplicity-full.20231114t221320z.manifest",
		"duplicity-full.20231314T221320Z.manifest",
		"duplicity-full.00010101T000000Z.manifest",
		"duplicity-inc.00010101T000000Z.to.20231115T221320Z.manifest",
		"duplicity-inc.20231114T221320Z.manifest",
		"duplicity-full.20231114T221320Z.to.20231115T221320Z.manifest",
		"Duplicity-full.20231114T221320Z.manifest",
		" duplicity-full.20231114T221320Z.manifest",
		"duplicity-full.20231114T221320Z.manifest\n",
		"x/duplicity-full.20231114T221320Z.manifest",
		"duplicity-full.2023-11-14T17:13_20-05:00.manifest",
		"duplicity-full.2023-11-14T17:13:20-05_00.manifest",
		"duplicity-full.2023-11-14T17:13:20Z:00.manifest",
		"duplicity-full.2023-11-14T17:13:20.manifest",
		"df.s44we8.dt", "df.s44we8.0.dt", "df.S44WE8.m", "df.s44we8.m.x", "df..m", "df.0.m", "df.-1.m",
		"df.s44we8.s46r28.m", "di.s44we8.m", "dfs.s44we8.1.dt", "dns.s44we8.st", "df.zzzzzzzzzzzzz.m", "df.m", "m",
	} {
		if n, ok := format.ParseName(s); ok {
			t.Errorf("ParseName(%q) gives %+v", s, n)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{
		"duplicity-full.20231114T221320Z.vol1.difftar.gpg", "duplicity-inc.20231114T221320Z.to.20231115T221320Z.manifest.part.gpg",
		"duplicity-new-signatures.20231114T221320Z.to.20231115T221320Z.sigtar.gz", "df.s44we8.1.dt.g", "dns.s44we8.s46r28.st.p",
		"duplicity-full.2023-11-14T17_13_20-05_00.vol1.difftar.gpg",
	} {
		f.Add(s)
	}
	f.Fuzz(checkName)
}

func checkName(t *testing.T, s string) {
	t.Helper()
	n, ok := format.ParseName(s)
	if !ok {
		return
	}
	if n.Style == format.Current && n.String() != s {
		t.Errorf("%q comes back as %q", s, n)
	}
	n.Style = format.Current
	if again, ok := format.ParseName(n.String()); !ok || again != n {
		t.Errorf("%q means %+v, written as %q it means %+v", s, n, n, again)
	}
}
