package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// Class is what an assessment finds, in the words and with the numbers of
// ICCAM.
type Class string

// The classes. Only the first two can become an entry.
const (
	Baseline Class = "baseline" // illegal by the standard that all hotlines share
	National Class = "national" // illegal here
	Doubtful Class = "doubtful"
	Ignore   Class = "ignore" // not illegal
)

// Classes are all of them; ICCAM counts them from 1.
var Classes = []Class{Baseline, National, Doubtful, Ignore}

// ParseClass reads a class by its word.
func ParseClass(s string) (Class, error) {
	if c := Class(s); slices.Contains(Classes, c) {
		return c, nil
	}
	return "", errors.New("class is not baseline, national, doubtful or ignore")
}

// SiteType is what kind of site something was found on, in the words of ICCAM.
type SiteType string

type siteType struct {
	name   SiteType
	number int
	shared bool
}

// siteTypes are all of them, with the numbers that ICCAM programs use, and
// whether many people share such a site, who have nothing to do with each
// other.
var siteTypes = []siteType{
	{"website", 2, false},
	{"file host", 3, true},
	{"image store", 4, false},
	{"image board", 5, false},
	{"forum", 6, true},
	{"banner site", 7, false},
	{"link site", 8, false},
	{"social", 9, true},
	{"redirector", 10, false},
	{"archive", 11, true},
	{"search", 18, true},
	{"image host", 20, true},
	{"blog", 22, true},
	{"web page", 23, false},
}

// SiteTypes lists the site types as they are typed: with hyphens.
func SiteTypes() []string {
	var all []string
	for _, s := range siteTypes {
		all = append(all, strings.ReplaceAll(string(s.name), " ", "-"))
	}
	return all
}

// ParseSiteType reads a site type in any case, with spaces, hyphens or
// underscores between its words.
func ParseSiteType(s string) (SiteType, error) {
	name := SiteType(strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(s)))
	for _, t := range siteTypes {
		if t.name == name {
			return name, nil
		}
	}
	return "", errors.New("site type is none of " + strings.Join(SiteTypes(), ", "))
}

// Shared says whether a site of this type is used by many people who have
// nothing to do with each other: to block all of it for one page is what brought
// down whole archives and hosting services.
func (s SiteType) Shared() bool {
	return slices.ContainsFunc(siteTypes, func(t siteType) bool { return t.name == s && t.shared })
}

// Assessment is what somebody who looked at a report found.
type Assessment struct {
	Class       Class               `json:"class"`
	Unit        blocklist.Unit      `json:"-"`
	SiteType    SiteType            `json:"site_type,omitempty"`
	Dedicated   string              `json:"dedicated,omitempty"`   // yes: the whole name serves the one purpose
	Compromised string              `json:"compromised,omitempty"` // yes: a lawful site that was broken into
	Country     string              `json:"country,omitempty"`     // where it is hosted
	Related     []blocklist.EntryID `json:"-"`                     // entries that have to do with it
}

// Target is what an entry made from a report would block: what was reported, or
// the host of a reported URL. What was reported as a name has no URL.
func (a *Assessment) Target(r *Report) (blocklist.Target, error) {
	switch {
	case a.Unit == r.Target.Unit:
		return r.Target, nil
	case a.Unit == blocklist.URL:
		return blocklist.Target{}, errors.New("unit url: what was reported is a name, not a URL")
	case r.Target.Name().IsZero():
		return blocklist.Target{}, errors.New("unit " + a.Unit.String() + ": the host of the URL is an address, and addresses are not blocked")
	}
	return blocklist.ParseTarget(a.Unit, r.Target.Name().Reveal())
}

// Check holds an assessment of a report to the rules.
func (a *Assessment) Check(r *Report) error {
	if _, err := ParseClass(string(a.Class)); err != nil {
		return err
	}
	if !isAnswer(a.Dedicated) || !isAnswer(a.Compromised) {
		return errors.New("dedicated and compromised are yes or no")
	}
	if a.Country != "" && !isCountry(a.Country) {
		return errors.New("country is not two capital letters")
	}
	if _, err := a.Target(r); err != nil {
		return err
	}
	return a.checkShared(r)
}

// checkShared holds to the rule whichever of the two says that a site is shared:
// to call it something else does not make it somebody's own, dedicated does.
func (a *Assessment) checkShared(r *Report) error {
	for _, t := range []SiteType{a.SiteType, r.SiteType} {
		if a.Unit != blocklist.URL && t.Shared() && a.Dedicated != "yes" {
			return fmt.Errorf("site type %s is shared by many: a %s only if it is dedicated", t, a.Unit)
		}
	}
	return nil
}

// Entry makes the entry that a report and its assessment lead to. What does
// not lead to one is an error.
func (a *Assessment) Entry(r *Report) (blocklist.Entry, error) {
	if a.Class != Baseline && a.Class != National {
		return blocklist.Entry{}, fmt.Errorf("class is %s: only baseline and national are blocked", a.Class)
	}
	if err := a.checkShared(r); err != nil {
		return blocklist.Entry{}, err
	}
	target, err := a.Target(r)
	if err != nil {
		return blocklist.Entry{}, err
	}
	category := r.Category
	if category == "" {
		category = string(a.Class)
	}
	return blocklist.NewEntry([10]string{
		target.Unit.String(), target.Reveal(), category, r.Source, r.Ref, r.EvidenceRef, a.Dedicated, a.Compromised, "", "",
	})
}

// MarshalJSON writes unit and ids as the words that users know.
func (a *Assessment) MarshalJSON() ([]byte, error) {
	type plain Assessment
	j := struct {
		*plain
		Unit    string   `json:"unit"`
		Related []string `json:"related,omitempty"`
	}{plain: (*plain)(a), Unit: a.Unit.String()}
	for _, id := range a.Related {
		j.Related = append(j.Related, id.String())
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Assessment) UnmarshalJSON(data []byte) error {
	type plain Assessment
	j := struct {
		*plain
		Unit    string   `json:"unit"`
		Related []string `json:"related"`
	}{plain: (*plain)(a)}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	unit, err := blocklist.ParseUnit(j.Unit)
	if err != nil {
		return err
	}
	a.Unit, a.Related = unit, nil
	for _, s := range j.Related {
		id, err := blocklist.ParseEntryID(s)
		if err != nil {
			return err
		}
		a.Related = append(a.Related, id)
	}
	return nil
}
