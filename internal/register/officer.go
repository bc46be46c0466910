package register

import (
	"bytes"
	"fmt"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// founders is how many police officers found a register without a decision.
const founders = 2

// Officer is one person with one key, from the moment the register knows the
// key until it is revoked. A person with a new key is a new Officer of the
// same name.
type Officer struct {
	Name    string
	Role    blocklist.Role
	Key     sshsig.PublicKey
	Added   time.Time
	Revoked time.Time            // approvals recorded from here on are void; zero: not revoked; Added: never counted
	By      blocklist.DecisionID // the decision that added the officer; zero: a founder
}

// Fingerprint is the key's as ssh-keygen -l shows it.
func (o *Officer) Fingerprint() string { return sshsig.Fingerprint(o.Key) }

// activeAt says whether an approval recorded at t counts.
func (o *Officer) activeAt(t time.Time) bool {
	return !t.Before(o.Added) && (o.Revoked.IsZero() || t.Before(o.Revoked))
}

// active returns the officer of that name whose key counts at t, or nil.
func (s *State) active(name string, t time.Time) *Officer {
	for _, o := range s.Officers {
		if o.Name == name && o.activeAt(t) {
			return o
		}
	}
	return nil
}

// Role returns what the person of that name may do now; "" if nothing.
func (r *Register) Role(name string) blocklist.Role {
	if o := r.active(name, r.moment()); o != nil {
		return o.Role
	}
	return ""
}

// owner returns the officer of that key, or nil.
func (s *State) owner(key sshsig.PublicKey) *Officer {
	wire := key.Marshal()
	for _, o := range s.Officers {
		if bytes.Equal(o.Key.Marshal(), wire) {
			return o
		}
	}
	return nil
}

// revocable returns the officers of that name, one for each key the person
// had, whose approvals would count for less if revoked since a moment. One
// that is revoked already is among them if it counts until later: that a key
// was stolen is often known before it is known when.
func (s *State) revocable(name string, since time.Time) []*Officer {
	var all []*Officer
	for _, o := range s.Officers {
		if o.Name == name && (o.Revoked.IsZero() || since.Before(o.Revoked) && o.Added.Before(o.Revoked)) {
			all = append(all, o)
		}
	}
	return all
}

// Police counts the police officers whose approvals count at t.
func (s *State) Police(t time.Time) int {
	n := 0
	for _, o := range s.Officers {
		if o.Role == blocklist.Police && o.activeAt(t) {
			n++
		}
	}
	return n
}

// Founded says whether the register has had its founding police officers:
// from then on officers come and go by decision.
func (s *State) Founded() bool {
	police := 0
	for _, o := range s.Officers {
		if o.Role == blocklist.Police {
			police++
		}
	}
	return police >= founders
}

// addOfficer applies an addition; the register never has a key twice, nor two
// active officers of one name.
func (s *State) addOfficer(c blocklist.OfficerChange, at time.Time, by blocklist.DecisionID) error {
	if err := s.checkNewOfficer(c, at); err != nil {
		return err
	}
	key, _, err := sshsig.ParsePublicKey([]byte(c.Key))
	if err != nil {
		return err
	}
	s.Officers = append(s.Officers, &Officer{Name: c.Name, Role: c.Role, Key: key, Added: at, By: by})
	return nil
}

func (s *State) checkNewOfficer(c blocklist.OfficerChange, at time.Time) error {
	if err := c.Check(); err != nil {
		return err
	}
	key, _, err := sshsig.ParsePublicKey([]byte(c.Key))
	if err != nil {
		return err
	}
	if s.active(c.Name, at) != nil {
		return fmt.Errorf("officer %q exists: revoke the old key first", c.Name)
	}
	if o := s.owner(key); o != nil {
		return fmt.Errorf("the key is, or was, officer %q's: every officer needs a new key of their own", o.Name)
	}
	return nil
}

// keepOfficersFile keeps what the officers file holds before the record r
// changes it, for the case that the process dies between the register and the
// file. In a replay that began again it is what the file held then.
func (s *State) keepOfficersFile(r record) {
	if s.isNew(r) {
		s.hindsight.officersBefore = s.OfficersFile()
	}
}

// OfficersFile writes the officers as an OpenSSH allowed_signers file. A
// revoked key stays, with the end of its validity: ssh-keygen can then verify
// old signatures at their time. A key that never counted is left out.
func (s *State) OfficersFile() []byte {
	keys := make([]sshsig.Key, 0, len(s.Officers))
	for _, o := range s.Officers {
		if o.Revoked.Equal(o.Added) {
			continue // valid for no time at all, which the file's form can not say
		}
		keys = append(keys, sshsig.Key{
			Principal: o.Name, Public: o.Key, Comment: string(o.Role),
			Namespaces: []string{blocklist.DecisionNamespace},
			ValidAfter: o.Added, ValidBefore: o.Revoked,
		})
	}
	signers, err := sshsig.NewAllowedSigners(keys)
	if err != nil {
		// Every officer was checked on the way in: only a clock outside the
		// years 1970 to 9999 leads here. No command runs with this file.
		return fmt.Appendf(nil, "# %v\n", err)
	}
	return append([]byte("# written by vaern from its register; vaern refuses to run if it is edited\n"), signers.Bytes()...)
}

// CheckOfficersFile compares an officers file with the register. stale is
// true if it is what the register said before its last change: then a process
// died before it wrote the file, and the caller writes it now.
func (s *State) CheckOfficersFile(data []byte) (stale bool, err error) {
	switch {
	case bytes.Equal(data, s.OfficersFile()):
		return false, nil
	case bytes.Equal(data, s.hindsight.officersBefore):
		return true, nil
	}
	return false, fmt.Errorf("officers file differs from the register: it was edited by hand; only officer add and officer revoke change it")
}
