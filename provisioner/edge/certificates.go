package edge

import (
	"context"
	"fmt"
	"strings"
)

// refusedError names the certificate that HAProxy would not take.
type refusedError struct {
	file string
	err  error
}

func (e *refusedError) Error() string { return fmt.Sprintf("certificate %s: %v", e.file, e.err) }
func (e *refusedError) Unwrap() error { return e.err }

// crtListFile writes the list HAProxy starts from. The first entry answers for names that no other one has.
func (l layout) crtListFile(certs []certificate) []byte {
	var b strings.Builder
	b.WriteString(l.fallback() + "\n")
	for _, c := range certs {
		b.WriteString(l.crtLine(c) + "\n")
	}
	return []byte(b.String())
}

func (l layout) crtLine(c certificate) string {
	return l.cert(c.file) + " " + strings.Join(c.hosts, " ")
}

// addCertificates loads what the running HAProxy lacks. Names are digests of contents, so a known name is a known
// certificate. It stops at the first refusal; what was added stays.
func (r runtimeAPI) addCertificates(ctx context.Context, l layout, want []certificate) (changed bool, err error) {
	listed, err := r.listed(ctx, l)
	if err != nil {
		return false, err
	}
	stored, err := r.stored(ctx, l)
	if err != nil {
		return false, err
	}
	for _, c := range want {
		path := l.cert(c.file)
		if listed[path] {
			continue
		}
		changed = true
		if err := r.addCertificate(ctx, l, c, stored[path]); err != nil {
			_, _ = r.do(ctx, "abort ssl cert "+path)
			_, _ = r.do(ctx, "del ssl cert "+path)
			return changed, &refusedError{file: c.file, err: err}
		}
	}
	return changed, nil
}

func (r runtimeAPI) addCertificate(ctx context.Context, l layout, c certificate, stored bool) error {
	path := l.cert(c.file)
	if !stored {
		if err := r.expect(ctx, "New empty certificate store", "new ssl cert "+path); err != nil {
			return err
		}
	}
	if err := r.expect(ctx, "Transaction created", with("set ssl cert "+path, string(c.pem))); err != nil {
		return err
	}
	if err := r.expect(ctx, "Success!", "commit ssl cert "+path); err != nil {
		return err
	}
	return r.expect(ctx, "Success!", with("add ssl crt-list "+l.crtList(), l.crtLine(c)))
}

// dropCertificates unloads what is no longer wanted, after everything new is in place.
func (r runtimeAPI) dropCertificates(ctx context.Context, l layout, want []certificate) (changed bool, err error) {
	keep := map[string]bool{l.fallback(): true}
	for _, c := range want {
		keep[l.cert(c.file)] = true
	}
	listed, err := r.listed(ctx, l)
	if err != nil {
		return false, err
	}
	for path := range listed {
		if keep[path] {
			continue
		}
		changed = true
		if err := r.expect(ctx, "deleted in crtlist", "del ssl crt-list "+l.crtList()+" "+path); err != nil {
			return true, fmt.Errorf("unlist the certificate %s: %w", path, err)
		}
	}
	stored, err := r.stored(ctx, l)
	if err != nil {
		return changed, err
	}
	for path := range stored {
		if keep[path] {
			continue
		}
		changed = true
		if err := r.expect(ctx, "deleted!", "del ssl cert "+path); err != nil {
			return true, fmt.Errorf("unload the certificate %s: %w", path, err)
		}
	}
	return changed, nil
}

// listed are the certificates that answer for names now.
func (r runtimeAPI) listed(ctx context.Context, l layout) (map[string]bool, error) {
	out, err := r.do(ctx, "show ssl crt-list "+l.crtList())
	if err != nil {
		return nil, err
	}
	paths := l.ownPaths(out)
	if !paths[l.fallback()] {
		return nil, fmt.Errorf("read the list of certificates: HAProxy answered %s", answer(out))
	}
	return paths, nil
}

// stored are the certificates HAProxy holds in memory, listed or not. A transaction that an agent left behind when it
// was killed would block the next one, so it is aborted.
func (r runtimeAPI) stored(ctx context.Context, l layout) (map[string]bool, error) {
	out, err := r.do(ctx, "show ssl cert")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if path, open := strings.CutPrefix(strings.TrimSpace(line), "*"); open && l.ownPaths(path)[path] {
			if _, err := r.do(ctx, "abort ssl cert "+path); err != nil {
				return nil, err
			}
		}
	}
	return l.ownPaths(out), nil
}

// ownPaths picks the files of this edge from an answer that has one file a line.
func (l layout) ownPaths(answer string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(answer) {
		f := strings.Fields(line)
		if len(f) > 0 && (strings.HasPrefix(f[0], l.certs()+"/") || f[0] == l.fallback()) {
			out[f[0]] = true
		}
	}
	return out
}
