package inbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// Exporter writes reports as an array with the field names of ICCAM. URLs with
// the same source and reference that come one after the other are one report.
// What was assessed here goes out with the classification of that.
type Exporter struct {
	w       *bufio.Writer
	analyst string
	started bool
	open    *iccamReport
	source  string
}

// NewExporter begins an export. analyst stands in the place of the name of
// whoever reports: an authority, not a person.
func NewExporter(w io.Writer, analyst string) *Exporter {
	return &Exporter{w: bufio.NewWriter(w), analyst: analyst}
}

// Add writes a report, with its assessment if there is one. ICCAM knows URLs
// alone: a name is written as the front page of its host.
func (x *Exporter) Add(r *Report, a *Assessment) error {
	url := r.Target.Reveal()
	if r.Target.Unit != blocklist.URL {
		url = "http://" + url + "/"
	}
	class, site, country := r.Class, r.SiteType, r.Country
	if a != nil {
		class, site, country = a.Class, a.SiteType, a.Country
	}
	more := r.ICCAM
	if more == nil {
		more = &ICCAM{}
	}
	item := iccamItem{URL: url, Country: country, IP: more.IP, ISP: more.ISP, ContentType: value(more.ContentType), Actions: []iccamAction{}}
	if i := slices.Index(Classes, class); i >= 0 {
		item.Assessment = &iccamAssessment{value(strconv.Itoa(i + 1))}
	}
	for _, act := range more.Actions {
		item.Actions = append(item.Actions, iccamAction{value(strconv.Itoa(act.Type)), act.Date, act.Reason})
	}
	report := &iccamReport{
		Analyst: x.analyst, Received: r.Received, Reference: reference(r.Ref), Memo: r.Note, Referrer: more.Referrer,
		SiteType: siteValue(site, more.SiteNumber), Commerciality: value(more.Commerciality), PaymentMethods: []value{},
	}
	for _, p := range more.PaymentMethods {
		report.PaymentMethods = append(report.PaymentMethods, value(p))
	}
	if x.open == nil || !x.belongs(r.Source, report) {
		if err := x.flush(); err != nil {
			return err
		}
		x.open, x.source = report, r.Source
	}
	x.open.URLs = append(x.open.URLs, item)
	return nil
}

// belongs says whether a URL is of the report that is open.
func (x *Exporter) belongs(source string, r *iccamReport) bool {
	o := x.open
	return r.Reference != "" && source == x.source && r.Reference == o.Reference && r.Received == o.Received && r.Memo == o.Memo &&
		r.Referrer == o.Referrer && r.SiteType == o.SiteType && r.Commerciality == o.Commerciality && slices.Equal(r.PaymentMethods, o.PaymentMethods)
}

func siteValue(site SiteType, number bool) value {
	if !number {
		return value(site)
	}
	for _, t := range siteTypes {
		if t.name == site {
			return value(strconv.Itoa(t.number))
		}
	}
	return "1" // not determined
}

func (x *Exporter) flush() error {
	if x.open == nil {
		return nil
	}
	begin := "[\n"
	if x.started {
		begin = ",\n"
	}
	x.started = true
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false) // a URL has its & as it is
	err := e.Encode(x.open)
	x.open = nil
	if err == nil {
		_, err = x.w.WriteString(begin + strings.TrimSuffix(line.String(), "\n"))
	}
	return err
}

// Close ends the array.
func (x *Exporter) Close() error {
	if err := x.flush(); err != nil {
		return err
	}
	end := "\n]\n"
	if !x.started {
		end = "[]\n"
	}
	if _, err := x.w.WriteString(end); err != nil {
		return err
	}
	return x.w.Flush()
}
