package exchange

import "net/http"

// Direct reaches an instance at its own address (host:port), without the ingress, and tells it what the ingress would: a
// fresh instance may have no route yet. Requests keep the public address, so that cookies and links are those of later.
func Direct(address string) http.RoundTripper {
	return DirectOver(&http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 256 << 10}, address)
}

// DirectOver is Direct over a transport that many share.
func DirectOver(transport *http.Transport, address string) http.RoundTripper {
	return &direct{address: address, transport: transport}
}

type direct struct {
	address   string
	transport *http.Transport
}

func (d *direct) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	if out.Host == "" {
		out.Host = req.URL.Host
	}
	out.URL.Scheme, out.URL.Host = "http", d.address
	out.Header.Set("X-Forwarded-Proto", "https")
	out.Header.Set("X-Forwarded-Host", out.Host)
	return d.transport.RoundTrip(out)
}
