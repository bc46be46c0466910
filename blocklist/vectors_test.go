package blocklist

import (
	"os"
	"path/filepath"
	"testing"
)

// vectors reads a file of public test vectors, where they lie beside the
// project. Each test that uses them goes through a sample of its own as well,
// and through that alone where they do not.
func vectors(t *testing.T, name string) (data []byte, ok bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "vectors", name))
	if os.IsNotExist(err) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return data, true
}
