package stats

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// smallest is the least count that is shown, but for none.
const smallest = 5

// Figures are what was counted, with what has to be hidden hidden.
type Figures struct {
	Authority   string   `json:"authority"`
	Environment string   `json:"environment"`
	Lists       []string `json:"lists"`
	From        string   `json:"from"` // days, both counted
	To          string   `json:"to"`
	Records     int64    `json:"register_records"`
	Head        string   `json:"register_head"`
	Tables      Tables   `json:"tables"`
	Active      []Point  `json:"active"`
}

// Table is a group of figures that belong together.
type Table struct {
	Key   string
	Cells []Cell
}

// Cell is one figure.
type Cell struct {
	Key    string
	Value  float64 // a count, or a number of days or percent
	Hidden bool    // under five, or so that none under five can be worked out
	parted bool    // a part of a whole that is shown: see hide
}

// Text writes the figure; a hidden one as an asterisk.
func (c Cell) Text() string {
	if c.Hidden {
		return "*"
	}
	return strconv.FormatFloat(c.Value, 'f', -1, 64)
}

// Point is how many entries were in force at the end of a day, to the nearest
// five.
type Point struct {
	Day    string `json:"day"`
	Active int    `json:"active"`
}

// Tables are written as one JSON object, in their order; a hidden figure is
// null.
type Tables []Table

// MarshalJSON keeps the order, which a map would not.
func (t Tables) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, table := range t {
		if i > 0 {
			b.WriteByte(',')
		}
		key(&b, table.Key)
		b.WriteByte('{')
		for j, c := range table.Cells {
			if j > 0 {
				b.WriteByte(',')
			}
			key(&b, c.Key)
			if c.Hidden {
				b.WriteString("null")
			} else {
				b.WriteString(c.Text())
			}
		}
		b.WriteByte('}')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func key(b *bytes.Buffer, s string) {
	quoted, _ := json.Marshal(s) // a string always can be
	b.Write(quoted)
	b.WriteByte(':')
}

// hide hides the small counts among the parts of one whole. One hidden part
// alone is the whole without the others: then the smallest other one that is
// not zero is hidden too.
func hide(cells []Cell) {
	hidden, least := 0, -1
	for i := range cells {
		c := &cells[i]
		c.Hidden = c.Value > 0 && c.Value < smallest
		switch {
		case c.Hidden:
			hidden++
		case c.parted && c.Value > 0 && (least < 0 || c.Value < cells[least].Value):
			least = i
		}
	}
	if hidden == 1 && least >= 0 {
		cells[least].Hidden = true
	}
}

// nearest rounds a count to fives.
func nearest(n int) int { return (n + smallest/2) / smallest * smallest }

func date(t time.Time) string { return t.Format(time.DateOnly) }
