package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/vaern/vaern/blocklist"
)

// ICCAM is what a report of INHOPE's ICCAM says and no other, kept to be
// exported as it came. The name of the analyst is not kept.
type ICCAM struct {
	SiteNumber     bool     `json:"site_number,omitempty"` // the site type came as a number
	Referrer       string   `json:"referrer,omitempty"`
	Commerciality  string   `json:"commerciality,omitempty"`
	PaymentMethods []string `json:"payment_methods,omitempty"`
	IP             string   `json:"ip,omitempty"` // of the server
	ISP            string   `json:"isp,omitempty"`
	ContentType    string   `json:"content_type,omitempty"`
	Actions        []Action `json:"actions,omitempty"`
}

// Action is what somebody did about a URL.
type Action struct {
	Type   int    `json:"type"` // 1 LEA, 2 ISP, 3 content removed, 4 unavailable, 5 moved, 7 not illegal
	Date   string `json:"date,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// value is a string or a number, as ICCAM has both: "2" and 2 are the same.
type value string

func (v *value) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*v = ""
		return nil
	}
	if data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*v = value(s)
		return err
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return errors.New("not a string or a number")
	}
	*v = value(n)
	return nil
}

// MarshalJSON writes a number as one.
func (v value) MarshalJSON() ([]byte, error) {
	if n, err := strconv.Atoi(string(v)); err == nil && strconv.Itoa(n) == string(v) {
		return []byte(v), nil
	}
	return json.Marshal(string(v))
}

// reference is a string that may come as a number.
type reference string

func (r *reference) UnmarshalJSON(data []byte) error { return (*value)(r).UnmarshalJSON(data) }

// iccamReport and what is below it are the fields of ICCAM by their names
// there.
type iccamReport struct {
	Analyst        string      `json:"reportingAnalystName"`
	Received       string      `json:"hotlineReceivedDate"`
	Reference      reference   `json:"hotlineReference"`
	Memo           string      `json:"memo"`
	URLs           []iccamItem `json:"urls"`
	Referrer       string      `json:"sourceUrlReferrer"`
	SiteType       value       `json:"sourceUrlSiteType"`
	Commerciality  value       `json:"sourceUrlCommerciality"`
	PaymentMethods []value     `json:"sourceUrlPaymentMethods"`
}

type iccamItem struct {
	URL         string           `json:"urlString"`
	Country     string           `json:"hostingCountryCode"`
	IP          string           `json:"hostingIpAddress"`
	ISP         string           `json:"hostingIsp"`
	ContentType value            `json:"contentType"`
	Assessment  *iccamAssessment `json:"assessment"`
	Actions     []iccamAction    `json:"actions"`
}

type iccamAssessment struct {
	Classification value `json:"classification"`
}

type iccamAction struct {
	Type   value  `json:"actionType"`
	Date   string `json:"actionDate"`
	Reason string `json:"reasonText"`
}

// iccamKeys are the keys above: of those that look like something about a
// person, or about an image, they are known not to be.
var iccamKeys = []string{
	"reportingAnalystName", "hotlineReceivedDate", "hotlineReference", "memo", "urls", "sourceUrlReferrer", "sourceUrlSiteType",
	"sourceUrlCommerciality", "sourceUrlPaymentMethods", "urlString", "hostingCountryCode", "hostingIpAddress", "hostingIsp", "contentType",
	"assessment", "classification", "actions", "actionType", "actionDate", "reasonText",
}

// maxObject bounds one report of ICCAM, in octets.
const maxObject = 4 << 20

// bounded ends a file in which one object has no end.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a report is larger than %d octets", maxObject)
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}

type iccamReader struct {
	n      int // of the report in the file
	unused []string
	each   func(Line) error
}

// readICCAM reads one report, several one after the other, or an array of them.
func readICCAM(r io.Reader, each func(Line) error) ([]string, error) {
	limit := &bounded{r, maxObject}
	d := json.NewDecoder(limit)
	i := &iccamReader{each: each}
	first, err := skipSpace(d, limit)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	array := first == '['
	if array {
		if _, err := d.Token(); err != nil {
			return nil, notJSON(d, err)
		}
	}
	for !array || d.More() {
		limit.left = maxObject
		var raw json.RawMessage
		err := d.Decode(&raw)
		if !array && errors.Is(err, io.EOF) {
			return i.unused, nil
		}
		if err != nil {
			return nil, notJSON(d, err)
		}
		i.n++
		if err := i.report(raw); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(d, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the array of reports")
	}
	return i.unused, nil
}

// skipSpace returns the first octet of a file that says something.
func skipSpace(d *json.Decoder, limit *bounded) (byte, error) {
	head := make([]byte, 0, 512)
	for {
		part := make([]byte, 512)
		n, err := limit.r.Read(part)
		head = append(head, part[:n]...)
		if t := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"); len(t) > 0 {
			limit.r = io.MultiReader(bytes.NewReader(t), limit.r)
			return t[0], nil
		}
		if err != nil {
			return 0, err
		}
		if len(head) > 64<<10 {
			return 0, errors.New("nothing but space")
		}
	}
}

// notJSON says where a file is not JSON, without a word of it.
func notJSON(d *json.Decoder, err error) error {
	var syntaxError *json.SyntaxError
	if errors.As(err, &syntaxError) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("not JSON, or cut short, at octet %d", d.InputOffset())
	}
	return fmt.Errorf("read: %w", err)
}

func (i *iccamReader) report(raw json.RawMessage) error {
	where := fmt.Sprintf("report %d", i.n)
	if err := i.screen(raw); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	var report iccamReport
	if err := json.Unmarshal(raw, &report); err != nil || raw[0] != '{' {
		return i.each(Line{Where: where, Err: syntax("a field is not of the kind that it has in ICCAM")})
	}
	if len(report.URLs) == 0 {
		return i.each(Line{Where: where, Err: syntax("no urls")})
	}
	for n := range report.URLs {
		r, err := report.item(&report.URLs[n])
		if err := i.each(Line{fmt.Sprintf("%s, url %d", where, n+1), r, err}); err != nil {
			return err
		}
	}
	return nil
}

// screen looks at every key and every string of a report, known ones or not.
func (i *iccamReader) screen(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return i.screenValue(d, "", 0)
}

// maxDepth bounds how deep objects stand in each other; those of ICCAM do
// three deep.
const maxDepth = 16

func (i *iccamReader) screenValue(d *json.Decoder, key string, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errors.New("not JSON")
	}
	if depth > maxDepth {
		return errors.New("objects stand too deep in each other")
	}
	switch t := t.(type) {
	case string:
		return CheckValue(key, t)
	case json.Delim:
		seen := map[string]bool{}
		for d.More() {
			below := key
			if t == '{' {
				name, err := d.Token()
				if err != nil {
					return errors.New("not JSON")
				}
				below, _ = name.(string)
				if seen[below] {
					return errors.New("a key twice in an object")
				}
				seen[below] = true
				if err := i.screenKey(below); err != nil {
					return err
				}
			}
			if err := i.screenValue(d, below, depth+1); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}

func (i *iccamReader) screenKey(key string) error {
	if slices.Contains(iccamKeys, key) {
		return nil
	}
	if err := CheckColumn(key); err != nil {
		return err
	}
	if len(i.unused) < maxUnused && !slices.Contains(i.unused, key) && isWord(key) {
		i.unused = append(i.unused, key)
	}
	return nil
}

const maxUnused = 64

// isWord says whether a key can be shown: it is no name of a site.
func isWord(key string) bool {
	return key != "" && len(key) <= 64 && strings.IndexFunc(key, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' }) < 0
}

func (i *iccamReport) item(item *iccamItem) (r Report, err error) {
	if r.Target, err = blocklist.ParseTarget(blocklist.URL, item.URL); err != nil {
		return r, err
	}
	r.Ref, r.Received, r.Note, r.Country = string(i.Reference), i.Received, i.Memo, item.Country
	more := &ICCAM{
		Referrer: i.Referrer, Commerciality: string(i.Commerciality), IP: item.IP, ISP: item.ISP, ContentType: string(item.ContentType),
	}
	for _, p := range i.PaymentMethods {
		more.PaymentMethods = append(more.PaymentMethods, string(p))
	}
	for _, a := range item.Actions {
		n, err := strconv.Atoi(string(a.Type))
		if err != nil {
			return r, syntax("actionType is not a number")
		}
		more.Actions = append(more.Actions, Action{n, a.Date, a.Reason})
	}
	if r.SiteType, more.SiteNumber, err = siteTypeOf(string(i.SiteType)); err != nil {
		return r, err
	}
	if item.Assessment != nil && item.Assessment.Classification != "" {
		if r.Class, err = classOf(string(item.Assessment.Classification)); err != nil {
			return r, err
		}
	}
	for name, text := range map[string]string{
		"sourceUrlReferrer": more.Referrer, "sourceUrlCommerciality": more.Commerciality, "hostingIpAddress": more.IP, "hostingIsp": more.ISP,
		"contentType": more.ContentType, "sourceUrlPaymentMethods": strings.Join(more.PaymentMethods, " "),
	} {
		if err := checkLine(name, text, maxText); err != nil {
			return r, err
		}
	}
	for _, a := range more.Actions {
		if err := errors.Join(checkLine("actionDate", a.Date, maxRef), checkLine("reasonText", a.Reason, maxText)); err != nil {
			return r, syntax("actionDate or reasonText is too long, or has a control character")
		}
	}
	r.ICCAM = more
	return r, r.check()
}

func siteTypeOf(s string) (t SiteType, isNumber bool, err error) {
	n, err := strconv.Atoi(s)
	switch {
	case s == "", s == "1", s == "24": // not said, not determined, not applicable
		return "", s != "", nil
	case err == nil:
		for _, t := range siteTypes {
			if t.number == n {
				return t.name, true, nil
			}
		}
		return "", true, syntax("sourceUrlSiteType is a number that is not known")
	}
	if t, err = ParseSiteType(s); err != nil {
		return "", false, syntax("sourceUrlSiteType: " + err.Error())
	}
	return t, false, nil
}

func classOf(s string) (Class, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > len(Classes) {
			return "", syntax("classification is not 1 to 4")
		}
		return Classes[n-1], nil
	}
	c, err := ParseClass(strings.ToLower(s))
	if err != nil {
		return "", syntax("classification is not 1 to 4")
	}
	return c, nil
}
