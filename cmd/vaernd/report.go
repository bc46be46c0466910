package main

import (
	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/isp"
)

// ack keeps an ISP's word that it has an edition in force.
func (v *server) ack(name, list string, serial blocklist.Serial) error {
	return v.reports.Ack(name, list, serial, v.settings.now())
}

// alarm keeps an ISP's word that something is wrong with an edition, and tells
// the people who watch the log, once.
func (v *server) alarm(name, list string, serial blocklist.Serial, reason string) error {
	another, err := v.reports.Alarm(name, list, serial, reason, v.settings.now())
	if err == nil && another {
		v.log.Warn("isp raises alarm", "isp", name, "list", list, "serial", serial, "reason", isp.Reason(reason))
	}
	return err
}
