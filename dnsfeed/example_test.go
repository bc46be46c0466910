package dnsfeed_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
)

// A list of one domain and one host on its way from the authority to an ISP.
func Example() {
	zone := dnsfeed.Zone{
		Name:       "csam.rpz.police.example.",
		Action:     "stop.police.example.",
		TTL:        60,
		NS:         []string{"ns1.police.example."},
		Hostmaster: "hostmaster.police.example.",
	}

	// The authority writes the files of an edition.
	domain, _ := blocklist.ParseTarget(blocklist.Domain, "bad.example")
	host, _ := blocklist.ParseTarget(blocklist.Host, "www.worse.example")
	set := blocklist.NewSet([]blocklist.Row{{Target: domain}, {Target: host}})
	dir, _ := os.MkdirTemp("", "edition")
	defer os.RemoveAll(dir)
	for _, file := range zone.Files() {
		f, _ := os.Create(filepath.Join(dir, file.Name))
		if err := file.Write(f, 1795435200, set); err != nil {
			fmt.Println(err)
		}
		f.Close()
	}
	text, _ := os.ReadFile(filepath.Join(dir, "rpz.zone"))
	fmt.Printf("%s\n", text)

	// The server maps the image, and knows one ISP.
	image, err := dnsfeed.MapImage(filepath.Join(dir, "zone.image"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := dnsfeed.Key{Name: "isp-6f2a.police.example.", Algorithm: "hmac-sha256.", Secret: make([]byte, 32)}
	access, _ := dnsfeed.NewAccess([]dnsfeed.Client{{Name: "Example Net", Key: key, Zones: []string{zone.Name}}})
	snapshot, _ := dnsfeed.NewSnapshot(dnsfeed.NewVersions(image, nil))
	server := &dnsfeed.Server{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	server.SetAccess(access)
	server.SetZones(snapshot)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() { _ = server.ServeTCP(ctx, listener) }()

	// The ISP asks which serial there is.
	query := new(dns.Msg)
	query.SetQuestion(zone.Name, dns.TypeSOA)
	query.SetTsig(key.Name, key.Algorithm, 300, time.Now().Unix())
	client := dns.Client{Net: "tcp", TsigSecret: map[string]string{key.Name: base64.StdEncoding.EncodeToString(key.Secret)}}
	answer, _, err := client.Exchange(query, listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Answer[0].(*dns.SOA).Serial, image.Records())

	// Output:
	// $ORIGIN csam.rpz.police.example.
	// $TTL 60
	// @ SOA ns1.police.example. hostmaster.police.example. 1795435200 300 60 1209600 60
	// @ NS ns1.police.example.
	// bad.example CNAME stop.police.example.
	// *.bad.example CNAME stop.police.example.
	// www.worse.example CNAME stop.police.example.
	//
	// 1795435200 6
}
