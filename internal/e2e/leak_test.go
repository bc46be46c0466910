package e2e

import (
	"strings"
	"testing"
)

// list says that names are listed, so that nothing may tell them.
func (w *world) list(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		w.listed[name] = true
	}
}

// secret says the same of a token or key.
func (w *world) secret(values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, values...)
}

// checkLeaks looks through all that the programs have printed, when the test ends.
func (w *world) checkLeaks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := leaks(w.said.String(), w.listed, w.secrets); len(found) > 0 {
		w.t.Errorf("the programs printed %d things that they must not, the first of them %q", len(found), found[0])
	}
}

// leaks returns the listed names and secrets that stand in a text: names also below or above other labels, as in
// www.NAME or NAME.csam.rpz.police.example.
func leaks(text string, listed map[string]bool, secrets []string) (found []string) {
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
	looked := map[string]bool{}
	for _, word := range words {
		if looked[word] {
			continue
		}
		looked[word] = true
		labels := strings.Split(strings.Trim(word, "."), ".")
		for from := range labels {
			for to := from + 2; to <= len(labels); to++ {
				if name := strings.Join(labels[from:to], "."); listed[name] {
					found = append(found, name)
				}
			}
		}
	}
	return found
}

func TestLeaksAreFound(t *testing.T) {
	listed := map[string]bool{"bad.example": true, "a.b.test": true}
	for text, want := range map[string]int{
		`{"msg":"sent www.Bad.Example."}`:             1,
		"\n*.bad.example.csam.rpz.police.example. 60": 1,
		"https://a.b.test/x?token=hunter2":            2,
		"notbad.example b.test bad.example-x":         0,
	} {
		if found := leaks(text, listed, []string{"hunter2"}); len(found) != want {
			t.Errorf("%q: found %v, want %d", text, found, want)
		}
	}
}
