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
	Revoked time.Time            // approvals recorded from here on are void; zero: not revoked
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
	s.changeOfficers(func() {
		s.Officers = append(s.Officers, &Officer{Name: c.Name, Role: c.Role, Key: key, Added: at, By: by})
	})
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
	for _, o := range s.Officers {
		if bytes.Equal(o.Key.Marshal(), key.Marshal()) {
			return fmt.Errorf("the key is officer %q's: every officer needs a key of their own", o.Name)
		}
	}
	return nil
}

// changeOfficers keeps what the officers file held before the change, for the
// case that the process dies between the register and the file.
func (s *State) changeOfficers(change func()) {
	s.officersBefore = s.OfficersFile()
	change()
}

// OfficersFile writes the officers as an OpenSSH allowed_signers file. A
// revoked key stays, with the end of its validity: ssh-keygen can then verify
// old signatures at their time.
func (s *State) OfficersFile() []byte {
	keys := make([]sshsig.Key, 0, len(s.Officers))
	for _, o := range s.Officers {
		keys = append(keys, sshsig.Key{
			Principal: o.Name, Public: o.Key, Comment: string(o.Role),
			Namespaces: []string{blocklist.DecisionNamespace},
			ValidAfter: o.Added, ValidBefore: o.Revoked,
		})
	}
	signers, err := sshsig.NewAllowedSigners(keys)
	if err != nil {
		// Every officer was checked on the way in; a key that is valid for no
		// time at all is the one thing the file's form can not say.
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
	case bytes.Equal(data, s.officersBefore):
		return true, nil
	}
	return false, fmt.Errorf("officers file differs from the register: it was edited by hand; only officer add and officer revoke change it")
}
