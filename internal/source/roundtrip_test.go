package source

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
)

// row is an entry as text, in the order of the columns.
type row [10]string

func rowOf(e blocklist.Entry) row {
	return row{
		e.Target.Unit.String(), e.Target.Reveal(), e.Category, e.Source, e.SourceRef, e.EvidenceRef,
		e.Dedicated, e.Compromised, e.RecheckBy, e.Note,
	}
}

var (
	label = rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?`).Filter(func(s string) bool { return len(s) < 4 || s[2:4] != "--" })
	free  = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", `"`, `""`, ",", ";", "'", "#", "\\", "{", "ü", " ", "|", "\u00a0", "<", "😀"}), 0, 6),
		func(parts []string) string { return trim(strings.Join(parts, "")) })
)

func rowOfUnits(units ...string) *rapid.Generator[row] {
	return rapid.Custom(func(t *rapid.T) row {
		r := row{0: rapid.SampledFrom(units).Draw(t, "unit"), 1: label.Draw(t, "label") + "." + label.Draw(t, "label") + ".example"}
		if r[0] == "url" {
			r[1] = "https://" + r[1] + "/" + rapid.StringMatching(`[a-z,;:|]{0,5}`).Draw(t, "path")
		}
		return r
	})
}

var full = rapid.Custom(func(t *rapid.T) row {
	r := rowOfUnits("domain", "host", "url").Draw(t, "target")
	r[2] = rapid.StringMatching(`([a-z0-9-]{1,8})?`).Draw(t, "category")
	r[3], r[4], r[5], r[9] = free.Draw(t, "source"), free.Draw(t, "source_ref"), free.Draw(t, "evidence_ref"), free.Draw(t, "note")
	r[6] = rapid.SampledFrom([]string{"", "yes", "no"}).Draw(t, "dedicated")
	r[8] = rapid.SampledFrom([]string{"", "2027-02-28"}).Draw(t, "recheck_by")
	return r
})

// writers write rows in each format, as other programs do.
var writers = map[string]func(w io.Writer, rows []row){
	"csv": func(w io.Writer, rows []row) { writeCSV(w, ',', rows) },
	"csv;": func(w io.Writer, rows []row) {
		writeCSV(w, ';', rows)
	},
	"jsonl": func(w io.Writer, rows []row) {
		for _, r := range rows {
			object := map[string]string{}
			for i, c := range blocklist.EntryColumns {
				object[c] = r[i]
			}
			_ = json.NewEncoder(w).Encode(object)
		}
	},
	"plain":   func(w io.Writer, rows []row) { writeEach(w, "%s\n", rows) },
	"hosts":   func(w io.Writer, rows []row) { writeEach(w, "0.0.0.0\t%s\n", rows) },
	"adblock": func(w io.Writer, rows []row) { writeEach(w, "||%s^\n", rows) },
	"italian": func(w io.Writer, rows []row) {
		fmt.Fprintln(w, "1;2")
		for _, r := range rows {
			if r[0] == "url" {
				fmt.Fprintf(w, "\"%s\";;;\n", r[1])
			} else {
				fmt.Fprintf(w, ";%s;;\n", r[1])
			}
		}
	},
	"rpz": func(w io.Writer, rows []row) {
		fmt.Fprintln(w, "@ SOA a. b. 1 2 3 4 5")
		for _, r := range rows {
			fmt.Fprintf(w, "%s CNAME stop.test.\n", r[1])
		}
		for _, r := range rows {
			if r[0] == "domain" {
				fmt.Fprintf(w, "*.%s 60 IN CNAME stop.test.\n", r[1])
			}
		}
	},
}

func writeEach(w io.Writer, format string, rows []row) {
	for _, r := range rows {
		fmt.Fprintf(w, format, r[1])
	}
}

func writeCSV(w io.Writer, comma rune, rows []row) {
	c := csv.NewWriter(w)
	c.Comma = comma
	_ = c.Write(blocklist.EntryColumns)
	for _, r := range rows {
		_ = c.Write(r[:])
	}
	c.Flush()
}

// What was written reads back the same, and writes again to the same octets.
func TestRoundTrip(t *testing.T) {
	name := rowOfUnits("domain")
	rows := map[string]*rapid.Generator[row]{
		"csv": full, "csv;": full, "jsonl": full, "plain": rowOfUnits("domain", "url"), "hosts": name, "adblock": name,
		"italian": rowOfUnits("domain", "url"), "rpz": rowOfUnits("domain", "host"),
	}
	for format, write := range writers {
		t.Run(format, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := rapid.SliceOfNDistinct(rows[format], 1, 20, func(r row) string { return r[1] }).Draw(t, "rows")
				var text bytes.Buffer
				write(&text, want)
				for _, o := range []Options{{}, {Format: strings.TrimSuffix(format, ";")}} {
					if o.Format == "" && format == "plain" && strings.ContainsAny(want[0][1], ",;|") {
						continue // it asks
					}
					var got []row
					result, err := Read(bytes.NewReader(text.Bytes()), o, func(l Line) {
						if l.Err != nil {
							t.Fatalf("line %d: %v of\n%s", l.N, l.Err, &text)
						}
						got = append(got, rowOf(l.Entry))
					})
					if err != nil || result.Format != strings.TrimSuffix(format, ";") {
						t.Fatalf("%v: %v", result, err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s\n%s", diff, &text)
					}
					var again bytes.Buffer
					if write(&again, got); !bytes.Equal(again.Bytes(), text.Bytes()) {
						t.Fatalf("written again:\n%s", &again)
					}
				}
			})
		})
	}
}

// The zone of an edition says what the edition does, but for the URLs.
func TestOurZoneReadsBack(t *testing.T) {
	z := dnsfeed.Zone{
		Name: "csam.rpz.police.example.", Action: "stop.police.example.", TTL: 60,
		NS: []string{"ns1.police.example.", "ns2.police.example."}, Hostmaster: "hostmaster.police.example.",
	}
	for _, action := range []string{z.Action, dnsfeed.ActionNXDomain, dnsfeed.ActionNoData} {
		z.Action = action
		rapid.Check(t, func(t *rapid.T) {
			var listed []blocklist.Row
			for _, r := range rapid.SliceOfN(rowOfUnits("domain", "host"), 1, 20).Draw(t, "rows") {
				e, err := blocklist.NewEntry(r)
				if err != nil {
					t.Fatal(err)
				}
				listed = append(listed, blocklist.Row{Target: e.Target})
			}
			want := blocklist.NewSet(listed)
			var text bytes.Buffer
			if err := z.WriteRPZ(&text, 1795435200, want); err != nil {
				t.Fatal(err)
			}
			var read []blocklist.Row
			result, err := Read(&text, Options{}, func(l Line) {
				if l.Err != nil {
					t.Fatalf("line %d: %v", l.N, l.Err)
				}
				read = append(read, blocklist.Row{Target: l.Entry.Target})
			})
			if err != nil || result.Format != "rpz" {
				t.Fatal(result, err)
			}
			got := blocklist.NewSet(read)
			if c := blocklist.Diff(want, got); len(c.Added)+len(c.Removed) > 0 || got.Len() != len(read) {
				t.Fatalf("%d added, %d removed, %d lines", len(c.Added), len(c.Removed), len(read))
			}
		})
	}
}
