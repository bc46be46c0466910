package stats

import (
	"encoding/csv"
	"io"
	"strconv"
)

// WriteCSV writes the figures as rows of table, key and value. A hidden value
// is an asterisk.
func (f *Figures) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"table", "key", "value"}, {"period", "from", f.From}, {"period", "to", f.To}}
	for _, t := range f.Tables {
		for _, cell := range t.Cells {
			rows = append(rows, []string{t.Key, cell.Key, cell.Text()})
		}
	}
	for _, p := range f.Active {
		rows = append(rows, []string{"active_on", p.Day, strconv.Itoa(p.Active)})
	}
	return c.WriteAll(rows)
}
