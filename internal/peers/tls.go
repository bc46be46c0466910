package peers

// TLS says how a daemon asks its primary over TLS (RFC 9103): which server it trusts, and as whom it comes.
type TLS struct {
	CA   string // PEM file: the primary's certificate is this one, or signed by it
	Name string // that the primary's certificate must have
	Cert string // PEM file of the client certificate; empty: none
	Key  string // PEM file
}
