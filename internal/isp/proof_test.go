package isp

import (
	"testing"
	"time"
)

// Every pair of what a token and a certificate may be.
func TestTokenAndCertificateMustAgree(t *testing.T) {
	dir := folder(t)
	tokens := map[string]string{"wrong": "vaern_wrong", "empty": ""}
	for i, name := range []string{"a", "b", "gone", "far"} {
		want := ISP{Name: name, Lists: []string{"csam"}, Keys: Keys{CertSHA256: Digest{byte(i + 1)}}}
		if name == "far" {
			prefix, err := ParseAddress("198.51.100.0/24")
			if err != nil {
				t.Fatal(err)
			}
			want.Addresses = append(want.Addresses, prefix)
		}
		_, c, err := Add(dir, want, now)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = c.Token
	}
	if _, err := Revoke(dir, "gone", now); err != nil {
		t.Fatal(err)
	}
	certs := map[string]Digest{"none": {}, "a": {1}, "b": {2}, "gone": {3}, "far": {4}, "stranger's": {99}}
	table := read(t, dir)
	knows := func(name string) bool { return name == "a" || name == "b" } // from here
	for cert, digest := range certs {
		for _, given := range [][]string{{}, {"a"}, {"b"}, {"gone"}, {"far"}, {"wrong"}, {"empty"}, {"a", "a"}, {"a", "b"}, {"a", "wrong"}, {"wrong", "a"}} {
			p := Proof{Cert: digest}
			want := cert // what remains if all agree
			if !knows(cert) && cert != "far" {
				want = ""
			}
			for _, name := range given {
				p.Tokens = append(p.Tokens, tokens[name])
				switch {
				case !knows(name), want != "" && want != name:
					want = "nobody"
				default:
					want = name
				}
			}
			got := ""
			if i, ok := table.Authenticate(p, somewhere, now); ok {
				got = i.Name
			}
			if !knows(want) {
				want = ""
			}
			if got != want {
				t.Errorf("certificate %s, tokens %v: got %q, want %q", cert, given, got, want)
			}
		}
	}
}

func TestOldCertificateGoesOnWhileItIsRotated(t *testing.T) {
	dir := folder(t)
	if _, _, err := Add(dir, ISP{Name: "a", Lists: []string{"csam"}, Keys: Keys{CertSHA256: Digest{1}}}, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rotate(dir, "a", Digest{2}, week, now); err != nil {
		t.Fatal(err)
	}
	table := read(t, dir)
	for _, c := range []struct {
		cert Digest
		at   time.Time
		want bool
	}{
		{Digest{1}, now.Add(week - time.Nanosecond), true},
		{Digest{1}, now.Add(week), false},
		{Digest{2}, now, true},
		{Digest{2}, now.Add(2 * week), true},
	} {
		if _, ok := table.Authenticate(Proof{Cert: c.cert}, somewhere, c.at); ok != c.want {
			t.Errorf("certificate %d after %v: %v", c.cert[0], c.at.Sub(now), ok)
		}
	}
}
