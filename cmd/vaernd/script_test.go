package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaern/vaern/internal/peers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vaernd": main})
}

// TestScripts runs the stories in testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=20") // a second, else, at the end of each of hundreds of programs
			env.Setenv("PATH", peers.PATH(t))
			env.Setenv("ADMIN", fmt.Sprintf("127.0.0.1:%d", peers.FreePort(t)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// publish LIST: an edition of that list, signed by a new key that
			// becomes the only one in edition.allowed_signers.
			"publish": func(ts *testscript.TestScript, _ bool, args []string) {
				newAuthority(t, ts.MkAbs("."), args[0]).publish(time.Now(), "bad.example")
			},
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
			// await COMMAND: it must succeed within ten seconds.
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				for range 100 {
					if ts.Exec(args[0], args[1:]...) == nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
				ts.Fatalf("never succeeded")
			},
			// mode MODE FILE: the permissions must be that.
			"mode": func(ts *testscript.TestScript, _ bool, args []string) {
				info, err := os.Stat(ts.MkAbs(args[1]))
				ts.Check(err)
				if got := info.Mode().Perm().String(); got != args[0] {
					ts.Fatalf("%s is %s, want %s", args[1], got, args[0])
				}
			},
		},
	})
}
