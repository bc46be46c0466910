package stats

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.tmpl messages/*.json
var files embed.FS

// Languages are those that a page can be written in.
var Languages = []string{"en", "da"}

// WritePage writes the figures as a page in a language, in one file without
// script or anything from elsewhere.
func (f *Figures) WritePage(w io.Writer, language string) error {
	data, err := files.ReadFile("messages/" + language + ".json")
	if err != nil {
		return fmt.Errorf("there is no page in %q", language)
	}
	var words map[string]string
	if err := json.Unmarshal(data, &words); err != nil {
		return err
	}
	p := &page{Figures: f, Language: language, words: words}
	t, err := template.New("page.tmpl").Funcs(template.FuncMap{"t": p.say, "word": p.word}).ParseFS(files, "page.tmpl")
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

type page struct {
	*Figures
	Language string
	words    map[string]string
}

// say returns a text. One that is missing is an error, not a gap.
func (p *page) say(key string) (string, error) {
	if s, ok := p.words[key]; ok {
		return s, nil
	}
	return "", fmt.Errorf("there is no text %q in %q", key, p.Language)
}

// word is the text of a key of a table, or of one that comes from the list
// itself: a source, a country.
func (p *page) word(table, key string) (string, error) {
	if s, ok := p.words[table+"."+key]; ok {
		return s, nil
	}
	if s, ok := p.words["."+key]; ok {
		return s, nil
	}
	for _, free := range []string{"_source", "_country", "_class"} {
		if strings.HasSuffix(table, free) {
			return key, nil
		}
	}
	if table == "guards_overridden" {
		return key, nil
	}
	return p.say(table + "." + key)
}

// Number writes a figure as the language does.
func (p *page) Number(c Cell) string {
	if p.Language == "da" {
		return strings.Replace(c.Text(), ".", ",", 1)
	}
	return c.Text()
}

// Drawn says whether a table is drawn as bars too.
func (t Table) Drawn() bool {
	return len(t.Cells) > 1 && t.Key != "entries" && t.Key != "days_between_steps" && t.Key != "age_in_days" && t.Key != "complaint_days"
}

// Bar is the length of a figure's bar, in hundredths of the longest.
func (t Table) Bar(c Cell) int {
	longest := 0.0
	for _, other := range t.Cells {
		if !other.Hidden {
			longest = max(longest, other.Value)
		}
	}
	if c.Hidden || longest == 0 {
		return 0
	}
	return int(100 * c.Value / longest)
}

// The size of the curve, in the units of its picture.
const (
	curveWidth  = 600
	curveHeight = 160
)

// Curve is the line of what was in force, as the points of an SVG polyline.
func (p *page) Curve() string {
	var b strings.Builder
	for i, pt := range p.Active {
		x := 0
		if n := len(p.Active) - 1; n > 0 {
			x = curveWidth * i / n
		}
		fmt.Fprintf(&b, "%d,%d ", x, curveHeight-curveHeight*pt.Active/max(p.Most(), 1))
	}
	return strings.TrimSpace(b.String())
}

// Most is the highest point of the curve.
func (p *page) Most() int {
	most := 0
	for _, pt := range p.Active {
		most = max(most, pt.Active)
	}
	return most
}

// Last is the last point of the curve.
func (p *page) Last() *Point {
	if n := len(p.Active); n > 0 {
		return &p.Active[n-1]
	}
	return nil
}
