package isp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// Ack is an ISP's word that it has an edition of a list in force.
type Ack struct {
	Serial blocklist.Serial `json:"serial"`
	At     time.Time        `json:"at"` // whole seconds, UTC
}

// Alarm is an ISP's word that something is wrong with an edition of a list.
type Alarm struct {
	Serial blocklist.Serial `json:"serial"`
	At     time.Time        `json:"at"`     // whole seconds, UTC
	Reason string           `json:"reason"` // as [Reason] returns it
}

// Reports is what ISPs said last about each of their lists. It is safe for
// concurrent use.
//
// In its folder, acks/LIST/ISP.json and alarms/LIST/ISP.json hold one Ack and
// one Alarm. A report that was taken is on disk; if the process dies in between,
// the one before it is.
type Reports struct {
	dir string // empty: nothing is kept

	mu     sync.Mutex
	acks   map[[2]string]Ack // by ISP and list
	alarms map[[2]string]Alarm
}

const (
	acksDir   = "acks"
	alarmsDir = "alarms"
	maxReport = 4096 // octets of a file
)

// OpenReports reads the folder, which is made when the first report comes;
// empty for none, and then reports end with the process. What can not be read
// is left out, and the error says why; the reports can be used all the same.
func OpenReports(dir string) (*Reports, error) {
	r := &Reports{dir: dir, acks: make(map[[2]string]Ack), alarms: make(map[[2]string]Alarm)}
	if dir == "" {
		return r, nil
	}
	return r, errors.Join(readReports(filepath.Join(dir, acksDir), r.acks), readReports(filepath.Join(dir, alarmsDir), r.alarms))
}

func readReports[T any](dir string, into map[[2]string]T) error {
	lists, _ := filepath.Glob(filepath.Join(dir, "[a-z]*")) // the pattern is good
	var paths []string
	var errs []error
	for _, list := range lists {
		errs = append(errs, durable.Sweep(list))
		its, _ := filepath.Glob(filepath.Join(list, "[a-z0-9]*.json"))
		paths = append(paths, its...)
	}
	for _, path := range paths {
		var one T
		text, err := durable.ReadRegular(path, maxReport)
		if err == nil {
			err = json.Unmarshal(text, &one)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", path, err))
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		into[[2]string{name, filepath.Base(filepath.Dir(path))}] = one
	}
	return errors.Join(errs...)
}

// Ack takes an acknowledgement. One of an edition before the last that was
// acknowledged changes nothing: an ISP may be late in saying so, and what it
// has in force never goes back.
func (r *Reports) Ack(isp, list string, serial blocklist.Serial, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{isp, list}
	if last, ok := r.acks[key]; ok && !serial.After(last.Serial) {
		return nil
	}
	a := Ack{serial, now.UTC().Truncate(time.Second)}
	if err := r.write(acksDir, key, a); err != nil {
		return err
	}
	r.acks[key] = a
	return nil
}

// Alarm takes an alarm, in place of the one before, and says whether it is
// another one than that.
func (r *Reports) Alarm(isp, list string, serial blocklist.Serial, reason string, now time.Time) (another bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{isp, list}
	a := Alarm{serial, now.UTC().Truncate(time.Second), Reason(reason)}
	if last, ok := r.alarms[key]; ok && last.Serial == a.Serial && last.Reason == a.Reason {
		return false, nil
	}
	if err := r.write(alarmsDir, key, a); err != nil {
		return false, err
	}
	r.alarms[key] = a
	return true, nil
}

// Last returns what an ISP said last about a list; nil for what it never did.
func (r *Reports) Last(isp, list string) (*Ack, *Alarm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{isp, list}
	var ack *Ack
	var alarm *Alarm
	if a, ok := r.acks[key]; ok {
		ack = &a
	}
	if a, ok := r.alarms[key]; ok {
		alarm = &a
	}
	return ack, alarm
}

// write makes a report durable; r.mu is held.
func (r *Reports) write(kind string, key [2]string, report any) error {
	if r.dir == "" {
		return nil
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, kind, key[1])
	if err := makeDirs(r.dir, filepath.Dir(dir), dir); err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, key[0]+".json"), append(text, '\n'), fileMode); err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	return nil
}

// makeDirs makes folders, each in the one before, that outlive a power cut.
func makeDirs(dirs ...string) error {
	for _, dir := range dirs {
		switch err := os.Mkdir(dir, dirMode); {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return err
		}
		if err := durable.SyncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
			return err
		}
	}
	return nil
}

// maxReason bounds what is kept of an alarm's reason, in octets.
const maxReason = 200

// Reason makes an ISP's words fit for logs and terminals: printable ASCII of at
// most 200 octets, spaces single. A word with a dot in it, or one that is not
// ASCII, may be a name that is listed, which no log holds: it becomes "[...]".
func Reason(text string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if unfit(word) {
			word = "[...]"
		}
		if b.Len()+1+len(word) > maxReason {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

func unfit(word string) bool {
	for i := range len(word) {
		if word[i] <= ' ' || word[i] > '~' || word[i] == '%' {
			return true
		}
	}
	return strings.Contains(strings.TrimRight(word, ".!?,;:)"), ".")
}
