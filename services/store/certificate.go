package store

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const certificateColumns = `id, host, state, chain_pem, sealed_key, cert_url, not_before, not_after, renew_at, attempts,
	last_error, created_at`

func scanCertificate(r row) (hosting.Certificate, error) {
	var c hosting.Certificate
	var key string
	var notBefore, notAfter, renew, created int64
	err := r.Scan(&c.ID, &c.Host, &c.State, &c.ChainPEM, &key, &c.CertURL, &notBefore, &notAfter, &renew, &c.Attempts,
		&c.LastError, &created)
	c.SealedKey = key
	c.NotBefore, c.NotAfter, c.RenewAt, c.CreatedAt = instant(notBefore), instant(notAfter), instant(renew), instant(created)
	return c, err
}

// WantCertificate makes the row of a host's certificate, or finds it.
func (tx *Tx) WantCertificate(host string) (hosting.Certificate, error) {
	_, err := tx.exec(`INSERT INTO certificate (id, host, state, created_at) VALUES ($1, $2, 'wanted', $3)
		ON CONFLICT (host) DO NOTHING`, tx.NewID(), host, micros(tx.Now))
	if err != nil {
		return hosting.Certificate{}, err
	}
	return tx.Certificate(host)
}

// Certificate returns the certificate of a host.
func (tx *Tx) Certificate(host string) (hosting.Certificate, error) {
	return one(tx, scanCertificate, `SELECT `+certificateColumns+` FROM certificate WHERE host = $1`, host)
}

// Certificates returns all certificates in the order of their hosts.
func (tx *Tx) Certificates() ([]hosting.Certificate, error) {
	return many(tx, scanCertificate, `SELECT `+certificateColumns+` FROM certificate ORDER BY host`)
}

// CertificatesDue returns certificates whose renewal is due, the most urgent first.
func (tx *Tx) CertificatesDue(at time.Time, limit int) ([]hosting.Certificate, error) {
	return many(tx, scanCertificate, `SELECT `+certificateColumns+` FROM certificate
		WHERE state = 'valid' AND renew_at <= $1 ORDER BY renew_at LIMIT $2`, micros(at), limit)
}

// ClaimRenewal takes a due certificate for one attempt, until the given time; false when another process was faster.
func (tx *Tx) ClaimRenewal(c hosting.Certificate, until time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE certificate SET renew_at = $1 WHERE id = $2 AND renew_at = $3`, micros(until), c.ID, micros(c.RenewAt))
	return n == 1, err
}

// RetryCertificates lets the certificates of a space that were never issued be ordered at once.
func (tx *Tx) RetryCertificates(space string) error {
	_, err := tx.exec(`UPDATE certificate SET renew_at = 0, attempts = 0
		WHERE state = 'wanted' AND host IN (SELECT host FROM instance WHERE space_id = $1)`, space)
	return err
}

// SaveCertificate keeps an issued certificate, seals its key and tells the edges.
func (tx *Tx) SaveCertificate(c hosting.Certificate, keyPEM []byte) error {
	sealed, err := tx.store.options.Seal.Seal(keyPEM, "certificate/"+c.ID)
	if err != nil {
		return err
	}
	err = tx.must(`UPDATE certificate SET state = 'valid', chain_pem = $1, sealed_key = $2, cert_url = $3, not_before = $4,
		not_after = $5, renew_at = $6, attempts = 0, last_error = '' WHERE id = $7`,
		c.ChainPEM, sealed, c.CertURL, micros(c.NotBefore), micros(c.NotAfter), micros(c.RenewAt), c.ID)
	if err != nil {
		return err
	}
	return tx.bumpEdge()
}

// FailCertificate notes a failed attempt and when to try again. A certificate that is still valid stays in use.
func (tx *Tx) FailCertificate(id, message string, next time.Time) error {
	return tx.must(`UPDATE certificate SET attempts = attempts + 1, last_error = $1, renew_at = $2 WHERE id = $3`,
		message, micros(next), id)
}
