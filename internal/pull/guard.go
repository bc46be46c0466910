package pull

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// Guard is the provider's own: it refuses an edition, and raises an alarm, for
// what it adds to what is installed. Its zero value guards nothing.
type Guard struct {
	NeverBlock *blocklist.Protected // nil: none
	MaxGrowth  *blocklist.Limit     // nil: none
}

func (g Guard) none() bool { return g.NeverBlock == nil && g.MaxGrowth == nil }

// checkGuard holds an edition against the guard. A first one may be of any size.
func (c *Client) checkGuard(ctx context.Context, t *texts) error {
	if c.Guard.none() {
		return nil
	}
	set, err := t.entries(ctx)
	if err != nil {
		return err
	}
	before, err := c.installedSet(ctx)
	if err != nil {
		return err
	}
	added, installed := 0, 0
	var hits []string
	policy := &blocklist.Policy{Protected: c.Guard.NeverBlock}
	if policy.Protected == nil {
		policy.Protected = blocklist.NewProtected()
	}
	line := 1 // of entries.csv, the header
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host, blocklist.URL} {
		for _, row := range set.Rows(unit) {
			line++
			reason := neverBlock(policy, row.Target)
			switch {
			case before == nil || !before.Covers(row.Target):
				added++
				if reason != "" {
					hits = append(hits, fmt.Sprintf("line %d of its entries %s", line, reason))
				}
			case reason != "":
				installed++
			}
		}
	}
	if installed > 0 {
		c.say("%d of what is installed would be refused by never_block today, and stays: ask the authority", installed)
	}
	return c.judge(t.manifest, before, added, hits)
}

// neverBlock says why a target is not to be blocked, or "".
func neverBlock(p *blocklist.Policy, t blocklist.Target) string {
	for _, f := range p.CheckTarget(t) {
		if f.Rule == blocklist.RuleNeverBlock && !f.Flag {
			return f.Reason
		}
	}
	return ""
}

// maxHits is how many lines a message names.
const maxHits = 10

func (c *Client) judge(m *manifest, before *blocklist.Set, added int, hits []string) error {
	const advice = "an alarm was raised; ask the authority, and change [guard] only if it is the guard that is wrong"
	if len(hits) > 0 {
		more := ""
		if len(hits) > maxHits {
			more = fmt.Sprintf(" and %d more", len(hits)-maxHits)
			hits = hits[:maxHits]
		}
		return refuse(fmt.Errorf("guard never_block refuses edition %v: %s%s", m.Serial, strings.Join(hits, "; "), more), advice)
	}
	if limit := c.Guard.MaxGrowth; limit != nil && before != nil && limit.Exceeded(added, before.Len()) {
		return refuse(fmt.Errorf("guard max_growth refuses edition %v: it adds %d to %d, more than %v", m.Serial, added, before.Len(), limit), advice)
	}
	return nil
}

// installedSet returns what the edition that is installed blocks, or nil if none
// is: from the copy that was kept of its entries, or from the server if there is
// none yet.
func (c *Client) installedSet(ctx context.Context) (*blocklist.Set, error) {
	if c.record.Installed == nil {
		return nil, nil
	}
	t := &texts{client: c, manifest: c.record.Installed.Manifest}
	kept := filepath.Join(c.State, keptEntries)
	if f, ok := t.File(keptEntries); ok {
		if sum, err := sumOf(kept); err == nil && sum == fmt.Sprintf("%x", f.Sum) {
			t.files = map[string]string{entriesName: kept}
		}
	}
	if t.files == nil {
		defer t.discard()
	}
	set, err := t.entries(ctx)
	if err != nil {
		return nil, advise(fmt.Errorf("guard: read what edition %v blocks, which is installed: %w", t.Serial, err),
			"the server does not have it any more, or never had: run once without [guard]")
	}
	return set, nil
}

// keptEntries is the installed edition's entries, in the state.
const keptEntries = entriesName + ".zst"

// keepEntries keeps the entries of the edition that was just installed, if the
// next guard will want them. If it can not, the server will be asked for them.
func (c *Client) keepEntries(t *texts) {
	kept := filepath.Join(c.State, keptEntries)
	fetched, ok := t.files[entriesName]
	if !ok || c.Guard.none() {
		_ = os.Remove(kept)
		return
	}
	if err := durable.Rename(fetched, kept); err != nil {
		_ = os.Remove(kept)
	}
}
