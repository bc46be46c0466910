package dnsfeed

import (
	"io"
	"net"
	"testing"

	"github.com/miekg/dns"
)

// BenchmarkAXFR transfers a zone of a million names over loopback, client and
// server in one process: with -cpuprofile it shows what bounds a transfer.
func BenchmarkAXFR(b *testing.B) {
	image := imageOf(b, testZone(), 500, benchSet(b))
	ts := startTLS(b, []Client{ispOne})
	ts.publish(image)
	octets := int64(0)
	for _, msg := range image.messages {
		octets += int64(2 + len(msg) + newSigner(testKey(b), nil).size())
	}
	for transport, dial := range map[string]func() net.Conn{
		"tcp": ts.dial,
		"tls": func() net.Conn { return ts.secure(ts.client()) },
	} {
		b.Run(transport, func(b *testing.B) {
			c := dial()
			b.SetBytes(octets)
			for b.Loop() {
				raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
				if _, err := c.Write(frame(raw)); err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyN(io.Discard, c, octets); err != nil {
					b.Fatalf("%d of %d octets: %v", n, octets, err)
				}
			}
		})
	}
}
