package peers

import "testing"

// SmartCard returns what a smart card takes that is software alone: the PKCS #11 library of SoftHSM, which keeps its cards
// where the file of SOFTHSM2_CONF says, and the program through which ssh-agent speaks to such a library, if its
// SSH_PKCS11_HELPER names it.
func SmartCard(t testing.TB) (library, helper string) {
	t.Helper()
	return packaged(t, "usr/lib/*/softhsm/libsofthsm2.so"), packaged(t, "usr/lib/openssh/ssh-pkcs11-helper")
}
