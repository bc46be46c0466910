package inbox

import (
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Step is what an event did, for who counts.
type Step struct {
	At     time.Time
	Source string             // of an import; "": it changed a report
	First  blocklist.ReportID // that an import brought, or that was changed
	Last   blocklist.ReportID
	To     State
	Found  *Assessment // of reports that were assessed one by one
}

// Steps calls each for every event that brought or changed reports, in order.
func (b *Inbox) Steps(each func(Step) error) error {
	return b.each("SELECT "+eventColumns+" FROM events ORDER BY seq", nil, func(row scanner) error {
		e, err := scanEvent(row)
		if err != nil {
			return err
		}
		s := Step{At: e.At, First: e.Report, Last: e.Report, To: e.To}
		switch {
		case e.Report == 0:
			i, err := parseImport(e.Body)
			if err != nil || i.first == 0 {
				return err
			}
			s.Source, s.First, s.Last = e.Who, i.first, i.last
		case e.To == Assessed:
			if s.Found, err = e.Assessment(); err != nil {
				return err
			}
		}
		return each(s)
	})
}
