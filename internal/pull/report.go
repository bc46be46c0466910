package pull

import (
	"context"
	"fmt"

	"github.com/vaern/vaern/blocklist"
)

// acknowledge tells the server which edition is installed, if it was not told yet.
func (c *Client) acknowledge(ctx context.Context) error {
	i := c.record.Installed
	if i == nil || i.Acked {
		return nil
	}
	report := struct {
		Serial blocklist.Serial `json:"serial"`
	}{i.Manifest.Serial}
	if err := c.post(ctx, "ack", report); err != nil {
		return fmt.Errorf("edition %v is installed, and that could not be acknowledged: %w", i.Manifest.Serial, err)
	}
	i.Acked = true
	return c.record.save()
}

// alarm tells the server, once, why an edition was refused by the guard.
func (c *Client) alarm(ctx context.Context, serial blocklist.Serial, why *Refusal) error {
	if c.record.Alarmed == serial {
		return nil
	}
	report := struct {
		Serial blocklist.Serial `json:"serial"`
		Reason string           `json:"reason"`
	}{serial, why.Error()}
	if err := c.post(ctx, "alarm", report); err != nil {
		return fmt.Errorf("raise alarm: %w", err)
	}
	c.record.Alarmed = serial
	return c.record.save()
}
