package mail

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// patientConn is a connection on which the other side may stay silent for a while, but not for ever, and which is cut
// when a context ends. SMTP has no other way to give up on a server that hangs.
type patientConn struct {
	net.Conn
	silence  atomic.Int64 // nanoseconds
	silenced atomic.Bool  // cut by a context
	stop     func() bool
}

func newPatientConn(c net.Conn, silence time.Duration) *patientConn {
	p := &patientConn{Conn: c, stop: func() bool { return true }}
	p.patience(silence)
	return p
}

func (p *patientConn) patience(d time.Duration) { p.silence.Store(int64(d)) }

// hold ties the connection to ctx until release.
func (p *patientConn) hold(ctx context.Context) {
	p.stop = context.AfterFunc(ctx, func() {
		p.silenced.Store(true)
		_ = p.Conn.Close()
	})
}

// release unties it, and says whether the connection survived.
func (p *patientConn) release() bool { return p.stop() && !p.silenced.Load() }

func (p *patientConn) Read(b []byte) (int, error) {
	if err := p.Conn.SetReadDeadline(p.limit()); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p *patientConn) Write(b []byte) (int, error) {
	if err := p.Conn.SetWriteDeadline(p.limit()); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// SetDeadline does nothing: each Read and Write sets its own, where a library would set one for a whole session.
func (p *patientConn) SetDeadline(time.Time) error { return nil }

func (p *patientConn) limit() time.Time { return time.Now().Add(time.Duration(p.silence.Load())) }
