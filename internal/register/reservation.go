package register

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// Reservation is the highest serial that was ever reserved for a list, and
// what the guards were when it was.
type Reservation struct {
	Serial    blocklist.Serial
	Policy    string      // digest of quorum, guards and never-block files
	Protected int         // names in the never-block files, each counted once
	Files     []FileNames // the files; none in the records of older programs

	Published blocklist.Serial // of the last edition that is on record as published; zero: none is
}

// FileNames is how many names a never-block file held.
type FileNames struct {
	File  string // as the configuration calls it
	Names int
}

// Held returns how many names a never-block file held, or zero if it was not
// there or is not on record.
func (r Reservation) Held(file string) int {
	for _, f := range r.Files {
		if f.File == file {
			return f.Names
		}
	}
	return 0
}

// bytes writes "serial protected policy", and " file=names" for each file.
func (r Reservation) bytes() []byte {
	b := fmt.Appendf(nil, "%v %d %s", r.Serial, r.Protected, r.Policy)
	for _, f := range r.Files {
		b = fmt.Appendf(b, " %s=%d", url.QueryEscape(f.File), f.Names)
	}
	return b
}

var errReservation = errors.New("not a reservation")

func parseReservation(body []byte) (Reservation, error) {
	f := strings.Fields(string(body))
	if len(f) < 3 {
		return Reservation{}, errReservation
	}
	serial, err := blocklist.ParseSerial(f[0])
	if err != nil {
		return Reservation{}, err
	}
	r := Reservation{Serial: serial, Policy: f[2]}
	if r.Protected, err = strconv.Atoi(f[1]); err != nil {
		return Reservation{}, errReservation
	}
	for _, field := range f[3:] {
		name, count, ok := strings.Cut(field, "=")
		file, err := url.QueryUnescape(name)
		n, wrong := strconv.Atoi(count)
		if !ok || err != nil || wrong != nil || file == "" || n < 0 || r.Held(file) != 0 {
			return Reservation{}, errReservation
		}
		r.Files = append(r.Files, FileNames{file, n})
	}
	return r, nil
}

func (s *State) serial(r record) error {
	next, err := parseReservation(r.body)
	if err != nil {
		return err
	}
	if old := s.Highest[r.subject].Serial; old != 0 && !next.Serial.After(old) {
		return fmt.Errorf("serial %v is not after %v, which was reserved before", next.Serial, old)
	}
	next.Published = s.Highest[r.subject].Published
	s.Highest[r.subject] = next
	return nil
}

// edition reads that a serial was published: the last one that was reserved.
func (s *State) edition(r record) error {
	serial, err := blocklist.ParseSerial(string(r.body))
	if err != nil {
		return err
	}
	last, ok := s.Highest[r.subject]
	if !ok || last.Serial != serial || last.Published == serial {
		return fmt.Errorf("edition %v was published, and is not the one reserved last", serial)
	}
	last.Published = serial
	s.Highest[r.subject] = last
	return nil
}

// Published records that the edition with the serial reserved last is the
// latest of its list. An edition that is on record and not there is lost, and
// not one that never came to be.
func (r *Register) Published(list string, serial blocklist.Serial) error {
	return r.change(func() ([]record, error) {
		return []record{{kind: kindEdition, subject: list, body: []byte(serial.String())}}, nil
	})
}
