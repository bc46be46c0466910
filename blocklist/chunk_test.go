package blocklist

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Where chunks end depends on the text alone, not on how it is written.
func TestCutterCutsTheTextAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		var text []byte
		longest := []int{8, 60, 3000, 300_000}[round%4]
		for size := random.IntN(1 << 20); len(text) < size; {
			line := make([]byte, random.IntN(longest))
			for i := range line {
				line[i] = 'a' + byte(random.IntN(26))
			}
			text = append(append(text, line...), '\n')
		}
		text = text[:len(text)-min(len(text), random.IntN(2))]
		want := slowChunks(text)
		for _, most := range []int{1 << 30, 300_000, 20_000, 500, 9} {
			var got [][]byte
			c := &cutter{emit: func(chunk []byte) error { got = append(got, bytes.Clone(chunk)); return nil }}
			for rest := text; len(rest) > 0; {
				n := 1 + random.IntN(min(most, len(rest)))
				scratch := bytes.Clone(rest[:n])
				if _, err := c.Write(scratch); err != nil {
					t.Fatal(err)
				}
				clear(scratch) // the writer may use it again
				rest = rest[n:]
			}
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%d octets of lines below %d, written by %d: %d chunks, want %d", len(text), longest, most, len(got), len(want))
			}
		}
	}
}

// slowChunks is the rule in its simplest words: a chunk ends with the first
// line that makes it long enough and is chosen, or makes it too long.
func slowChunks(text []byte) (chunks [][]byte) {
	var chunk []byte
	for line := range bytes.Lines(text) {
		begin := len(chunk)
		chunk = append(chunk, line...)
		if line[len(line)-1] == '\n' && ends(chunk, begin) {
			chunks, chunk = append(chunks, chunk), nil
		}
	}
	if len(chunk) > 0 || chunks == nil {
		chunks = append(chunks, chunk)
	}
	return chunks
}
