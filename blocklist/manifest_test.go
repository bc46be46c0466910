package blocklist

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func exampleManifest() *Manifest {
	return &Manifest{
		Authority: "Example National Police", Environment: "production", List: "csam", Zone: "csam.rpz.police.example.",
		Serial: 1795435200, Previous: 1795434300, Created: noon, Expires: noon.Add(72 * time.Hour), Settle: time.Hour,
		Register: RegisterHead{8812, strings.Repeat("0a", 32)}, Domains: 4021, Hosts: 133, URLs: 211,
		Files: []FileSum{
			{"domains.txt", 71234, sha256.Sum256([]byte("a"))}, {"domains.txt.gz", 30111, sha256.Sum256([]byte("b"))}, {"zone.image", 0, [32]byte{}},
		},
	}
}

func TestManifestText(t *testing.T) {
	const head = `# vaern edition 1
# authority: Example National Police
# environment: production
# list: csam
# zone: csam.rpz.police.example.
# serial: 1795435200
# previous: 1795434300
# created: 2026-11-23T12:00:00Z
# expires: 2026-11-26T12:00:00Z
# settle: 1h
# register: 8812 `
	text := string(exampleManifest().Bytes())
	if !strings.HasPrefix(text, head) || !strings.HasSuffix(text, "\n"+strings.Repeat("0", 64)+"  zone.image\n") {
		t.Errorf("manifest is\n%s", text)
	}
}

func TestManifestParsesWhatItWrites(t *testing.T) {
	for _, settle := range []time.Duration{0, time.Second, time.Minute, 90 * time.Minute, 10 * time.Minute, time.Hour, 100 * time.Hour, 3605 * time.Second, 20 * time.Hour} {
		want := exampleManifest()
		want.Settle = settle
		want.Created = noon.In(time.FixedZone("", 3600))
		got, err := ParseManifest(want.Bytes())
		if err != nil {
			t.Fatalf("settle %v: %v", settle, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Manifest{})); diff != "" {
			t.Error(diff)
		}
		if got.raw = nil; !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Error("written again it differs")
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	good := string(exampleManifest().Bytes())
	replace := func(old, new string) string {
		if strings.Count(good, old) == 0 {
			t.Fatalf("%q is not in the manifest", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("a")))
	for what, text := range map[string]string{
		"empty":             "",
		"magic":             replace("edition 1", "edition 2"),
		"no last LF":        strings.TrimSuffix(good, "\n"),
		"empty last line":   good + "\n",
		"empty line":        replace("# list", "\n# list"),
		"CRLF":              strings.ReplaceAll(good, "\n", "\r\n"),
		"one CR":            replace("production\n", "production\r\n"),
		"CR in sum":         replace("  zone.image\n", "  zone.image\r\n"),
		"missing key":       replace("# settle: 1h\n", ""),
		"missing last key":  replace("# urls: 211\n", ""),
		"doubled key":       replace("# list: csam\n", "# list: csam\n# list: csam\n"),
		"reordered":         replace("# list: csam\n# zone: csam.rpz.police.example.\n", "# zone: csam.rpz.police.example.\n# list: csam\n"),
		"key after all":     replace("# urls: 211\n", "# urls: 211\n# list: csam\n"),
		"bytes before keys": strings.Replace(replace("# bytes: domains.txt 71234\n", ""), "# urls", "# bytes: domains.txt 71234\n# urls", 1),
		"negative count":    replace("# hosts: 133", "# hosts: -1"),
		"padded count":      replace("# hosts: 133", "# hosts: 0133"),
		"plus":              replace("# hosts: 133", "# hosts: +133"),
		"huge count":        replace("# hosts: 133", "# hosts: 99999999999999999999"),
		"negative size":     replace("zone.image 0", "zone.image -1"),
		"padded size":       replace("zone.image 0", "zone.image 00"),
		"serial 0":          replace("serial: 1795435200", "serial: 0"),
		"serial too large":  replace("serial: 1795435200", "serial: 4294967296"),
		"upper-case sum":    replace(sum, strings.ToUpper(sum)),
		"short sum":         replace(sum, sum[2:]),
		"one space":         replace("  zone.image", " zone.image"),
		"binary mark":       replace("  zone.image", " *zone.image"),
		"upper-case head":   replace("0a0a", "0A0A"),
		"short head":        replace(strings.Repeat("0a", 32), "0a"),
		"negative records":  replace("8812", "-8812"),
		"register and more": replace("\n# domains", " x\n# domains"),
		"negative settle":   replace("settle: 1h", "settle: -1h"),
		"settle spelled":    replace("settle: 1h", "settle: 60m"),
		"time of a zone":    replace("2026-11-23T12:00:00Z", "2026-11-23T12:00:00+00:00"),
		"fraction":          replace("2026-11-23T12:00:00Z", "2026-11-23T12:00:00.000Z"),
		"NUL":               replace("Police", "Pol\x00ice"),
		"escape":            replace("Police", "\x1b[2J"),
		"UTF-8":             replace("Police", "Pol\xffice"),
		"unknown, control":  replace("# urls", "# new: \x07\n# urls"),
		"unknown, key":      replace("# urls", "# n\x07w: x\n# urls"),
		"no colon":          replace("# urls", "# new\n# urls"),
		"missing sum":       replace(strings.Repeat("0", 64)+"  zone.image\n", ""),
		"doubled sum":       good + strings.Repeat("0", 64) + "  zone.image\n",
		"sum of another":    replace("  zone.image", "  zone.imago"),
		"doubled file":      replace("# bytes: zone.image 0\n", "# bytes: domains.txt 0\n"),
		"key after sums":    good + "# new: x\n",
		"no files":          good[:strings.Index(good, "# bytes")],
		"too long":          replace("# urls", "# new: "+strings.Repeat("x", maxManifest)+"\n# urls"),
	} {
		if _, err := ParseManifest([]byte(text)); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	for _, name := range []string{"../up", "a/b", "/etc/passwd", ".hidden", "..", "a..b", "", "A", "MANIFEST", "a b", "latest\\", "-x", "a\tb"} {
		if text := strings.ReplaceAll(good, "zone.image", name); text != good {
			if _, err := ParseManifest([]byte(text)); err == nil {
				t.Errorf("a file called %q is accepted", name)
			}
		}
	}
}

func TestManifestKeepsUnknownKeys(t *testing.T) {
	good := string(exampleManifest().Bytes())
	for _, place := range []string{"# authority", "# list", "# bytes: domains.txt 7", "# bytes: zone.image", fmt.Sprintf("%x", sha256.Sum256([]byte("a")))} {
		text := strings.Replace(good, place, "# new-key: some: value ü\n"+place, 1)
		m, err := ParseManifest([]byte(text))
		if err != nil {
			t.Errorf("before %q: %v", place, err)
			continue
		}
		if string(m.Bytes()) != text {
			t.Errorf("before %q: the unknown key is lost", place)
		}
		if diff := cmp.Diff(exampleManifest(), m, cmpopts.IgnoreUnexported(Manifest{})); diff != "" {
			t.Error(diff)
		}
	}
}

// FuzzManifest: what parses is given out as it came, and without unknown keys
// it is also what its fields say.
func FuzzManifest(f *testing.F) {
	good := exampleManifest().Bytes()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("# bytes"), []byte("# new: x\n# bytes"), 1))
	f.Add(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	f.Add([]byte(manifestMagic + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Bytes(), text) {
			t.Fatal("differs from what was parsed")
		}
		m.raw = nil
		if again := m.Bytes(); !bytes.Equal(again, text) && bytes.Count(again, []byte("\n")) == bytes.Count(text, []byte("\n")) {
			t.Fatalf("fields say\n%s\nthe text was\n%s", again, text)
		}
		if _, err := ParseManifest(m.Bytes()); err != nil {
			t.Fatalf("what was written does not parse: %v", err)
		}
	})
}
