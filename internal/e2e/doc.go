// Package e2e tests Vaern as its users have it: the programs themselves, run by their command lines, and judged by other
// people's programs. It has nothing but tests.
//
// TestMain builds vaern, vaernd and vaern-pull once. A test makes a world, which is an authority in a directory of its own, decides,
// compiles, serves, and looks at the outcome with ssh-keygen, sha256sum, dig, kdig, curl and zstd, or through BIND,
// PowerDNS Recursor and Unbound.
//
// # Input
//
// The lists are those of ../shared/data beside the repository. Where they are not, synthetic ones of the same shape take
// their place; both go through the same tests.
//
// # Crashes
//
// A scene is a world in the moment before a command. TestCrashTable and its like copy it, let one call of the command go
// wrong (see internal/fault), and look at everything, and again after the next run. The tables have the calls that can leave
// something behind; with VAERN_FULL=1 they have every call, reads and all. VAERN_KILLS=1000 kills at random so often.
//
// # Secondaries
//
// TestSecondariesFollow takes BIND, Knot, NSD, PowerDNS and PowerDNS Recursor through 40 editions of a list that changes by
// lot, and with VAERN_FULL=1 through 1000, which takes a quarter of an hour (-timeout 1h). VAERN_SEED repeats a run that failed.
//
// # Access
//
// TestAccessMatrix asks vaernd for everything on every channel with every credential, some 2700 cells, and has each octet of
// a refusal said by rules of its own. TestTSIG, TestTS9 and TestSecondaries take the rows of RFC 8945, by the judgement of
// dig, kdig, dnspython (testdata/tsig.py), BIND, Knot, NSD and PowerDNS, some of them with a clock that libfaketime puts
// wrong.
//
// # Secrets
//
// Every world keeps what the programs printed. When its test ends, no listed name, token or TSIG secret may stand in it.
package e2e
