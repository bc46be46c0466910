package httpfeed

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/vaern/vaern/blocklist"
)

const (
	ackName   = "ack"
	alarmName = "alarm"
)

func (q *request) takeAck() error {
	serial, reason, ok := q.readReport()
	if !ok || reason != nil {
		return q.misread(`want {"serial": N}`)
	}
	return q.report(serial, func() error { return q.handler.opt.Ack(q.isp.Name, q.list, serial) })
}

func (q *request) takeAlarm() error {
	serial, reason, ok := q.readReport()
	if !ok || reason == nil {
		return q.misread(`want {"serial": N, "reason": "..."}`)
	}
	return q.report(serial, func() error { return q.handler.opt.Alarm(q.isp.Name, q.list, serial, *reason) })
}

// report takes what an ISP says of an edition. One that is not kept, or that the
// ISP is not due, is absent here as anywhere.
func (q *request) report(serial blocklist.Serial, take func() error) error {
	e := q.view.Lists[q.list].kept[serial]
	if e == nil {
		plain(q.w, http.StatusNotFound, "not found\n")
		return nil
	}
	q.edition = e
	pass, err := q.handler.reports.of(q.isp.Name).take(q.Context()) // each waits for the disk
	if err != nil {
		return nil //nolint:nilerr // the client is gone
	}
	defer pass()
	if err := take(); err != nil {
		busy(q.w, "not kept: say it again\n")
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// misread says what a body should be.
func (q *request) misread(want string) error {
	plain(q.w, http.StatusBadRequest, want+"\n")
	return nil
}

// readReport reads a body: one JSON object with a serial, and a reason unless
// that is nil, each once and nothing else.
func (q *request) readReport() (serial blocklist.Serial, reason *string, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxReport))
	if err != nil {
		return 0, nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	next := func() json.Token {
		t, err := d.Token()
		if err != nil {
			return err
		}
		return t
	}
	if next() != json.Delim('{') {
		return 0, nil, false
	}
	given := false
	for d.More() {
		key, value := next(), next()
		switch text := value.(type) {
		case json.Number:
			if serial, err = blocklist.ParseSerial(text.String()); err != nil || key != "serial" || given {
				return 0, nil, false
			}
			given = true
		case string:
			if key != "reason" || reason != nil {
				return 0, nil, false
			}
			reason = &text
		default:
			return 0, nil, false
		}
	}
	return serial, reason, given && next() == json.Delim('}') && next() == io.EOF
}
