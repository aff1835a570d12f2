package pin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registries asks the registries that references name, over HTTPS, with the credentials of docker login. One on this
// machine is asked over HTTP.
type Registries struct {
	Transport http.RoundTripper // remote.DefaultTransport when nil
}

// Digest asks for the manifest's digest alone, which does not count as a pull. Of an image for several architectures it is
// that of the list, so that each node gets its own.
func (r Registries) Digest(ctx context.Context, reference string) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("read the reference: %w", err)
	}
	transport := r.Transport
	if transport == nil {
		transport = remote.DefaultTransport
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if head, err := remote.Head(ref, options...); err == nil {
		return head.Digest.String(), nil
	}
	whole, err := remote.Get(ref, options...) // says why, and some registries answer nothing else
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", ref.Context().RegistryStr(), err)
	}
	return whole.Digest.String(), nil
}
