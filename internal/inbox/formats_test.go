package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

func TestColumns(t *testing.T) {
	for name, like := range map[string]string{
		"reporter": likeName, "Reporter Name": likeName, "reporterName": likeName, "reportername": likeName, "name": likeName, "Full_Name": likeName,
		"first name": likeName, "navn": likeName, "Anmelder": likeName, "contact": likeName, "victim": likeName, "reported_by": likeName, "analystName": likeName,
		"email": likeMail, "E-Mail": likeMail, "reporter_mail": likeMail, "contactEmail": likeMail, "MAIL": likeMail, "reporteremail": likeMail,
		"phone": likePhone, "Phone No.": likePhone, "phonenumber": likePhone, "tel": likePhone, "Telefon": likePhone, "mobile": likePhone,
		"address": likeAddress, "HomeAddress": likeAddress, "street": likeAddress, "adresse": likeAddress, "zip": likeAddress,
		"image": likeImage, "imageUrl": likeImage, "screenshot": likeImage, "Photo": likeImage, "thumbnail_1": likeImage, "billede": likeImage,
		"hash": likeHash, "MD5": likeHash, "md5sum": likeHash, "SHA-256": likeHash, "sha1": likeHash, "imageHash": likeHash, "PhotoDNA": likeHash, "MD5Hash": likeHash,
		"dataURI": likeDataURI,
		// What is not about persons, nor images.
		"target": "", "source_ref": "", "site_type": "", "hostingIpAddress": "", "ip address": "", "IPAddress": "", "Domain Name": "", "hostname": "",
		"host_name": "", "page name": "", "country": "", "received": "", "note": "", "urlString": "", "hostingIsp": "", "classification": "", "website": "", "web address": "",
		"shape": "", "telemetry": "", "imagine": "", "mailing": "", "Person_ID": likeName,
	} {
		if got := columnLike(name); got != like {
			t.Errorf("%s looks like %q, want %q", name, got, like)
		}
	}
	for _, ours := range append(append(append([]string{}, Columns...), ListColumns...), ignored...) {
		if err := CheckColumn(ours); err != nil {
			t.Errorf("our own: %v", err)
		}
	}
}

func TestValues(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 8)
	for value, like := range map[string]string{
		"a@b.example": likeMail, "from <a@b.example>, today": likeMail, "mailto:a": likeMail,
		"+45 12 34 56 78": likePhone, "+4512345678": likePhone,
		hex[:32]: likeHash, hex[:40]: likeHash, hex[:64]: likeHash, hex: likeHash, "sha256:" + hex[:64]: likeHash, strings.ToUpper(hex[:32]): likeHash,
		"data:text/plain,x": likeDataURI, "DATA:image/png;base64,AA": likeDataURI, "see data:image/png;base64,AAAA": likeDataURI,
		"iVBORw0KGgo" + strings.Repeat("A", 80): likeImage,
		"":                                      "", "one.example": "", "https://one.example/" + hex[:32]: "", "https://user@one.example/": "", "HL-12": "", "2026-11-20": "", hex[:33]: "",
		"20261120123456": "", "meet @ noon": "", "+1": "", "database: none": "", "iVBORw0KGgo": "", "12345678": "",
	} {
		if got := valueLike(value); got != like {
			t.Errorf("%q looks like %q, want %q", value, got, like)
		}
	}
}

// Not even the whole file's error has a value of it.
func TestErrorsHoldNothing(t *testing.T) {
	const secret = "secret"
	for _, text := range []string{
		"target,note\none.example,secret@mail.example\n",
		"target\nsecret..example\n", "secret.example\n", "target,secret.example\nx,y\n",
		`[{"urls":[{"urlString":"secret"}],"secret.example":1}]`, `[{"urls":"secret"}]`, `[{"memo":"secret@mail.example"}]`, `{"secret`, `["secret"]`,
		`{"a":{"a":"secret"}} secret`, "target,target\nsecret,secret\n", `{"secret.example":"x"}`,
	} {
		for _, format := range Formats {
			_, err := Read(strings.NewReader(text), Options{Format: format, Now: start}, func(l Line) error {
				if l.Err != nil && strings.Contains(l.Err.Error()+l.Where, secret) {
					t.Errorf("%s %q: %v", format, text, l.Err)
				}
				if s := fmt.Sprintf("%v %+v", l.Report.Target, l.Report); strings.Contains(s, secret) {
					t.Errorf("%s %q: printed", format, text)
				}
				return nil
			})
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s %q: %v", format, text, err)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]string{
		"": FormatCSV, "target\n": FormatCSV, "\ufefftarget": FormatCSV, " \n[{": FormatICCAM, "{\n \"hotlineReference\"": FormatICCAM,
		`{"target":"x"}`: FormatJSONL, "{\"target\":\"x\"}\n{": FormatJSONL, `{"hotlineReference":"1","urls":[]}`: FormatICCAM,
	} {
		if got := Detect([]byte(text)); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// generated is any report that ICCAM can say.
func generated(t *rapid.T) iccamReport {
	harmless := func(s string) bool { return CheckValue("", s) == nil } // no mail address by chance
	word := rapid.StringMatching(`[ -~æøå]{0,12}`).Filter(harmless)
	number := rapid.SampledFrom([]value{"", "1", "2", "13", "other"})
	r := iccamReport{
		Analyst: "Authority", Received: rapid.SampledFrom([]string{"", "2026-11-01", "2026-11-01T08:15:00Z"}).Draw(t, "received"),
		Reference: reference(rapid.StringMatching(`[A-Z]{1,3}-?[0-9]{1,4}`).Draw(t, "reference")), Memo: rapid.StringMatching(`[ -~\n]{0,30}`).Filter(harmless).Draw(t, "memo"),
		Referrer: word.Draw(t, "referrer"), Commerciality: number.Draw(t, "commerciality"),
		SiteType: rapid.SampledFrom([]value{"", "1", "2", "6", "20", "forum", "image host"}).Draw(t, "site type"), PaymentMethods: []value{},
	}
	for range rapid.IntRange(0, 2).Draw(t, "payments") {
		r.PaymentMethods = append(r.PaymentMethods, rapid.SampledFrom([]value{"1", "9", "x"}).Draw(t, "payment"))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "urls") {
		item := iccamItem{
			URL:     fmt.Sprintf("https://h%d.example/%s", i, rapid.StringMatching(`[a-z0-9&?=]{0,9}`).Draw(t, "path")),
			Country: rapid.SampledFrom([]string{"", "NL"}).Draw(t, "country"), IP: rapid.SampledFrom([]string{"", "192.0.2.7"}).Draw(t, "ip"),
			ISP: word.Draw(t, "isp"), ContentType: number.Draw(t, "content"), Actions: []iccamAction{},
		}
		if n := rapid.IntRange(0, 4).Draw(t, "class"); n > 0 {
			item.Assessment = &iccamAssessment{value(fmt.Sprint(n))}
		}
		for range rapid.IntRange(0, 2).Draw(t, "actions") {
			item.Actions = append(item.Actions, iccamAction{value(fmt.Sprint(rapid.IntRange(1, 7).Draw(t, "type"))), "2026-11-02", word.Draw(t, "reason")})
		}
		r.URLs = append(r.URLs, item)
	}
	return r
}

// What is exported and taken in again, by whatever way through the store, is
// exported as the same octets; and the first export says what came in.
func TestICCAMRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := NewExporter(nil, "")
		var file bytes.Buffer
		x.w.Reset(&file)
		for i := range rapid.IntRange(0, 4).Draw(rt, "reports") {
			r := generated(rt)
			r.Reference += reference(fmt.Sprint("/", i)) // one reference is one report
			if err := x.flush(); err != nil {
				rt.Fatal(err)
			}
			x.open = &r
		}
		if err := x.Close(); err != nil {
			rt.Fatal(err)
		}
		again := exported(rt, file.String())
		if again != file.String() {
			rt.Fatalf("came in as\n%s\nwent out as\n%s", file.String(), again)
		}
	})
}

func exported(t *rapid.T, text string) string {
	var out bytes.Buffer
	x := NewExporter(&out, "Authority")
	_, err := readICCAM(strings.NewReader(text), func(l Line) error {
		if l.Err != nil {
			return l.Err
		}
		l.Report.Source = "a"
		return x.Add(&l.Report, nil)
	})
	if err := errors.Join(err, x.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Whatever a file is, reading it ends, and what it gives can be stored: it is of
// the form that is checked again when it is read back.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"target,source_ref\none.example,1\n", `{"target":"one.example"}`, `[{"hotlineReference":1,"urls":[{"urlString":"http://x.example/"}]}]`,
		"domain,agencies,confirmed\none.example,a;b,2026-11-20\n", "[", "{", `{"urls":[[[[[[[[[`, "\ufeff[]",
	} {
		for i := range Formats {
			f.Add([]byte(s), i)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		if format < 0 || format >= len(Formats) {
			return
		}
		_, _ = Read(bytes.NewReader(data), Options{Format: Formats[format], Now: start}, func(l Line) error {
			if l.Err != nil {
				return nil
			}
			target, err := blocklist.ParseTarget(l.Report.Target.Unit, l.Report.Target.Reveal())
			if err != nil || target.Compare(l.Report.Target) != 0 || l.Report.check() != nil {
				t.Errorf("%q: a report that is none", data)
			}
			return nil
		})
	})
}
