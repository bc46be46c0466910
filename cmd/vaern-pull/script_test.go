package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaern/vaern/internal/peers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vaern-pull": main})
}

// TestScripts runs the stories in testdata. Each begins with an edition in the folder
// "edition", its keys in "keys", and a server of it at $URL.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=20")
			env.Setenv("PATH", peers.PATH(t))
			a := newAuthority(t)
			e := a.publish(time.Now().Add(-time.Hour), "domain bad.example", "host host.example")
			f := newFeed(t, token)
			f.offer(e)
			env.Setenv("URL", f.URL+"/v1/csam")
			if err := os.CopyFS(filepath.Join(env.WorkDir, "edition"), os.DirFS(e.Dir)); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "token"), []byte(token), 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "keys"), a.allowed().Bytes(), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status N COMMAND: the command must end with exit status N.
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := "0"
				if exit, ok := err.(interface{ ExitCode() int }); ok {
					got = string(rune('0' + exit.ExitCode()))
				}
				if got != args[0] {
					ts.Fatalf("exit status %s, want %s", got, args[0])
				}
			},
			// config NAME: write vaern-pull.toml with the server's URL in the place of URL.
			"config": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), func(key string) string { return ts.Getenv(key) })
				ts.Check(os.WriteFile(ts.MkAbs("vaern-pull.toml"), []byte(text), 0o600))
			},
		},
	})
}
