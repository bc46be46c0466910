package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// target is what an entry is to block: domain, host or url, and the text.
type target struct{ unit, text string }

// inputFormats are all that decision new reads.
var inputFormats = []string{"csv", "jsonl", "plain", "hosts", "adblock", "rpz", "italian"}

// canSay says whether a format has words for a unit.
func canSay(format, unit string) bool {
	switch format {
	case "csv", "jsonl":
		return true
	case "plain", "italian":
		return unit != "host"
	case "rpz":
		return unit != "url"
	default:
		return unit == "domain"
	}
}

// listOf writes a list as other people's programs do. What the format can not say is left out.
func listOf(format string, targets ...target) string {
	var b strings.Builder
	b.WriteString(map[string]string{
		"csv": "unit,target,note\n", "jsonl": `{"unit":"url","target":"http://first-of-all.test/","note":"x"}` + "\n", "adblock": "[Adblock Plus 2.0]\n", "italian": "1;2\n",
		"rpz": "$ORIGIN their.rpz.test.\n@ SOA a.test. b.test. 1 2 3 4 5\n",
	}[format])
	table := csv.NewWriter(&b)
	for _, t := range targets {
		if !canSay(format, t.unit) || format == "rpz" && strings.ContainsRune(t.text, 'ü') {
			continue
		}
		switch format {
		case "csv":
			_ = table.Write([]string{t.unit, t.text, ""}) // the builder takes everything
			table.Flush()
		case "jsonl":
			_ = json.NewEncoder(&b).Encode(map[string]string{"unit": t.unit, "target": t.text})
		case "plain":
			fmt.Fprintln(&b, t.text)
		case "hosts":
			fmt.Fprintln(&b, "0.0.0.0", t.text)
		case "adblock":
			fmt.Fprintf(&b, "||%s^\n", t.text)
		case "italian":
			if t.unit == "url" {
				fmt.Fprintf(&b, "\"%s\";;;\n", t.text)
			} else {
				fmt.Fprintf(&b, ";%s;;\n", t.text)
			}
		case "rpz":
			fmt.Fprintf(&b, "%s CNAME .\n", t.text)
			if t.unit == "domain" {
				fmt.Fprintf(&b, "*.%s CNAME .\n", t.text)
			}
		}
	}
	return b.String()
}

// room is the longest text of a name of that unit for which a zone has room: 255 octets on the wire, of which the zone
// takes one more than its text has, a name's text one more too, and "*." two (RFC 1035, section 2.3.4).
func (z policyZone) room(unit string) int {
	n := 255 - (len(z.name) + 1) - 1
	if unit == "domain" {
		n -= 2
	}
	return min(n, 253) // which no name exceeds
}

// extremes are names at the edge of what is allowed, and names that could mean something else to who reads a zone. The tag
// makes them others than those before.
func (z policyZone) extremes(tag string) []target {
	all := []target{
		{"domain", longName("l"+tag, z.room("domain"))},
		{"host", longName("h"+tag, z.room("host"))},
		{"domain", deepName("d"+tag, z.room("domain"))},
		{"host", deepName("e"+tag, z.room("host"))},
	}
	for _, name := range []string{
		"0." + tag + ".test", "1h.60." + tag + ".test", "1-2." + tag + ".test", "a--b." + tag + ".test", // digits and hyphens
		"xn--bcher-kva." + tag + ".test", "bücher.b" + tag + ".test", "Ab." + tag + ".TEST", // IDN, capitals
		"in." + tag + ".test", "ttl." + tag + ".test", "cname." + tag + ".test", "type65535." + tag + ".test", // words of master files
		"ch.a." + tag + ".test", "rpz-ip." + tag + ".test", "32.1.2.0.192.rpz-ip." + tag + ".test", "rpz-passthru." + tag + ".test",
	} {
		if len(name) <= z.room("domain") {
			all = append(all, target{"domain", name}, target{"host", "w." + name}, target{"host", "v." + strings.Replace(name, tag, "v"+tag, 1)})
		}
	}
	all = append(all, target{"url", "https://u" + tag + ".test/a;b,c?d=e"}, target{"url", "http://192.0.2.7/" + tag})
	// What leaves no room is not there. The hosts of names above may have none.
	fits := all[:0]
	for _, t := range all {
		if t.unit == "url" || len(t.text) <= z.room(t.unit) {
			fits = append(fits, t)
		}
	}
	return fits
}

// longName is a name of exactly n octets, with labels as long as may be.
func longName(tag string, n int) string {
	name := tag + ".test"
	for rest := n - len(name); rest > 0; rest = n - len(name) {
		label := min(63, rest-1)
		if rest-1-label == 1 { // no room for a label and its dot
			label--
		}
		name = strings.Repeat("x", label) + "." + name
	}
	return name
}

// deepName is a name of n octets or one less, with as many labels as may be.
func deepName(tag string, n int) string {
	name := tag + ".test"
	return strings.Repeat("y.", max(0, n-len(name))/2) + name
}

// randomTargets are like those of a list of every day: many names, some below others, some with few and some with many
// labels, in any unit.
func randomTargets(lot *rand.Rand, tag string, n int, room int) (all []target) {
	said := map[string]bool{}
	for i := range n {
		name := fmt.Sprintf("n%d-%s.test", i, tag)
		switch lot.IntN(4) {
		case 0:
			name = "www." + name
		case 1:
			name = label(lot) + "." + label(lot) + "." + fmt.Sprintf("n%d-%s.test", lot.IntN(i+1), tag)
		}
		unit := []string{"domain", "domain", "host", "url"}[lot.IntN(4)]
		if unit == "url" {
			name = "http://" + name + "/" + label(lot)
		}
		if unit != "url" && len(name) > room || said[name] {
			continue
		}
		said[name] = true
		all = append(all, target{unit, name})
	}
	return all
}

func TestExtremesAreExtreme(t *testing.T) {
	for n := 14; n <= 253; n++ {
		if name := longName("tag", n); len(name) != n || strings.Contains(name, "..") || name[0] == '.' {
			t.Errorf("a name of %d octets, want %d: %s", len(name), n, name)
		}
		if name := deepName("tag", n); len(name) < n-1 || len(name) > n {
			t.Errorf("a deep name of %d octets, want %d: %s", len(name), n, name)
		}
	}
}
