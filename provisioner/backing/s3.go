package backing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"framagit.org/frama/frama/provisioner"
)

// s3 gives each instance a bucket, and a key that opens this bucket only. S3 itself has no standard way to make keys: that
// part is the flavour's.
type s3 struct {
	server
	client *http.Client
	keys   keyring
}

// keyring is what differs between object stores: who may use a bucket.
type keyring interface {
	// secrets makes up a key; nothing where there is one for all.
	secrets(instance string, random io.Reader) map[string]string
	// ensure makes bucket and key, and removes other keys of the instance.
	ensure(ctx context.Context, g provisioner.Grant) error
	// rotate makes the next key work.
	rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error
	// lock and unlock change what the instance's key is good for.
	lock(ctx context.Context, g provisioner.Grant) error
	unlock(ctx context.Context, g provisioner.Grant) error
	// purge deletes bucket and key once the bucket is empty; empty is what empties it, with a key that may.
	purge(ctx context.Context, g provisioner.Grant, empty func(key, secret string) error) error
	// check says what the server is.
	check(ctx context.Context) (string, error)
}

const maxBucketName = 63

func newS3(base server) (*s3, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if base.tls != nil {
		transport.TLSClientConfig = base.tls.Clone()
		transport.TLSClientConfig.ServerName = "" // each request's own: the administration may be on another host
	}
	transport.DisableKeepAlives = true
	s := &s3{server: base, client: &http.Client{Transport: transport, Timeout: base.Timeout}}
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	switch s.Flavour {
	case "versitygw":
		s.keys = &versity{s}
	case "garage":
		if s.Admin == "" {
			return nil, s.wrong("admin: give the host:port of Garage's administration interface")
		}
		s.keys = &garage{s}
	case "shared":
		s.keys = &sharedKey{s}
	default:
		return nil, s.wrong("flavour: %q is none of garage, versitygw, shared", s.Flavour)
	}
	return s, nil
}

// url is an address with the scheme that goes with the declaration.
func (s *s3) url(address string) string {
	if s.tls == nil {
		return "http://" + address
	}
	return "https://" + address
}

func (s *s3) Identifier(job string) string {
	return provisioner.Identifier(strings.ReplaceAll(s.Prefix, "_", "-"), job, "-", maxBucketName)
}

func (s *s3) Secrets(instance string, random io.Reader) map[string]string {
	return s.keys.secrets(instance, random)
}

// Fits makes sure that the server answers: any has all that an instance may ask for.
func (s *s3) Fits(ctx context.Context, _ provisioner.Grant) error {
	_, err := s.Check(ctx)
	return err
}

func (s *s3) Ensure(ctx context.Context, g provisioner.Grant) (map[string]string, error) {
	if err := s.within(ctx, s.Timeout, func(ctx context.Context) error { return s.keys.ensure(ctx, g) }); err != nil {
		return nil, err
	}
	values := map[string]string{"s3_endpoint": s.url(s.SeenAs), "s3_region": s.Region, "s3_bucket": g.Name}
	if s.Flavour == "shared" {
		values["s3_key"], values["s3_secret"] = s.User, s.Password
	}
	return values, s.Login(ctx, g)
}

func (s *s3) Rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	return s.within(ctx, s.Timeout, func(ctx context.Context) error { return s.keys.rotate(ctx, g, next) })
}

// Login looks at the bucket as the instance does.
func (s *s3) Login(ctx context.Context, g provisioner.Grant) error {
	key, secret := g.Secrets["s3_key"], g.Secrets["s3_secret"]
	if s.Flavour == "shared" {
		key, secret = s.User, s.Password
	}
	c, err := s.connect(key, secret)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	there, err := c.BucketExists(ctx, g.Name)
	var answer minio.ErrorResponse
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden:
		return s.loginFailed(key, err)
	case err == nil && !there:
		return s.refused(nil, "the bucket %s is gone: restore it from your backup", g.Name)
	}
	return s.explain(err)
}

func (s *s3) Retire(ctx context.Context, g provisioner.Grant) error {
	return s.within(ctx, s.Timeout, func(ctx context.Context) error { return s.keys.lock(ctx, g) })
}

func (s *s3) Restore(ctx context.Context, g provisioner.Grant) error {
	return s.within(ctx, s.Timeout, func(ctx context.Context) error { return s.keys.unlock(ctx, g) })
}

func (s *s3) Purge(ctx context.Context, g provisioner.Grant) error {
	return s.within(ctx, deleting, func(ctx context.Context) error {
		return s.keys.purge(ctx, g, func(key, secret string) error { return s.empty(ctx, g.Name, key, secret) })
	})
}

func (s *s3) Check(ctx context.Context) (string, error) {
	detail := ""
	err := s.within(ctx, s.Timeout, func(ctx context.Context) (err error) {
		detail, err = s.keys.check(ctx)
		return err
	})
	return detail, err
}

// within gives one operation its time: the S3 client has no limit of its own.
func (s *s3) within(ctx context.Context, long time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	return s.explain(f(ctx))
}

// connect makes a client; nothing is asked yet.
func (s *s3) connect(key, secret string) (*minio.Client, error) {
	c, err := minio.New(s.Address, &minio.Options{
		Creds: credentials.NewStaticV4(key, secret, ""), Secure: s.tls != nil, Region: s.Region, Transport: s.client.Transport,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, s.wrong("address: %v", err)
	}
	return c, nil
}

// empty deletes every object of a bucket, all versions of it, and what was never uploaded to its end.
func (s *s3) empty(ctx context.Context, bucket, key, secret string) error {
	c, err := s.connect(key, secret)
	if err != nil {
		return err
	}
	there, err := c.BucketExists(ctx, bucket)
	if err != nil || !there {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for upload := range c.ListIncompleteUploads(ctx, bucket, "", true) {
		if upload.Err != nil {
			return upload.Err
		}
		s.at("delete upload")
		if err := c.RemoveIncompleteUpload(ctx, bucket, upload.Key); err != nil {
			return err
		}
	}
	remove := func(object minio.ObjectInfo) error {
		s.at("delete object")
		return c.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{VersionID: object.VersionID})
	}
	var marks []minio.ObjectInfo // last: without it, what is left would be nobody's
	for object := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: s.Flavour == "shared"}) {
		if object.Err != nil {
			return object.Err
		}
		if object.Key == markObject {
			marks = append(marks, object)
			continue
		}
		if err := remove(object); err != nil {
			return err
		}
	}
	for _, object := range marks {
		if err := remove(object); err != nil {
			return err
		}
	}
	return nil
}

func (s *s3) explain(err error) error {
	var refused *provisioner.RefusedError
	var temporary *provisioner.TemporaryError
	var answer minio.ErrorResponse
	switch {
	case err == nil, errors.As(err, &refused), errors.As(err, &temporary):
		return err
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized):
		return s.denied(err)
	case errors.As(err, &answer) && answer.Code == "BucketAlreadyExists":
		return s.refused(err, "the name of the bucket is taken by somebody else: declare another prefix for this server")
	case errors.As(err, &answer) && (answer.StatusCode >= 500 || answer.StatusCode == http.StatusConflict): // at the same time
		return &provisioner.TemporaryError{After: 5 * time.Second, Err: err,
			Reason: fmt.Sprintf("the backing server %s cannot just now", s.Options.Name)}
	case !errors.As(err, &answer) && (isNetwork(err) || errors.Is(err, context.DeadlineExceeded)):
		return s.unreachable(err)
	}
	return fmt.Errorf("backing server %s: %w", s.Options.Name, err)
}

// keyOf is a key's name that only this instance can have: it marks what belongs to the key as the instance's. It has the
// form that Garage asks for.
func keyOf(instance string) string {
	sum := sha256.Sum256([]byte("frama s3 key\n" + instance))
	return "GK" + hex.EncodeToString(sum[:12])
}

// sharedKey is for object stores that make no keys: all instances use the declared one, so nothing but the bucket's name
// keeps them apart.
type sharedKey struct{ *s3 }

// markObject says whose a bucket is.
const markObject = ".frama-instance"

func (s *sharedKey) secrets(string, io.Reader) map[string]string { return nil }

func (s *sharedKey) ensure(ctx context.Context, g provisioner.Grant) error {
	c, err := s.connect(s.User, s.Password)
	if err != nil {
		return err
	}
	there, err := c.BucketExists(ctx, g.Name)
	if err != nil {
		return err
	}
	if !there {
		s.at("make bucket")
		if err := c.MakeBucket(ctx, g.Name, minio.MakeBucketOptions{Region: s.Region}); err != nil {
			return err
		}
	}
	marked, empty, err := s.look(ctx, c, g)
	switch {
	case err != nil || marked:
		return err
	case !empty:
		return s.foreign("bucket", g.Name)
	}
	s.at("mark bucket") // an empty one: made a moment ago, or nobody misses it
	text := mark(g.Instance)
	_, err = c.PutObject(ctx, g.Name, markObject, strings.NewReader(text), int64(len(text)), minio.PutObjectOptions{})
	return err
}

// look says whether a bucket is marked as the instance's, and whether there is nothing in it.
func (s *sharedKey) look(ctx context.Context, c *minio.Client, g provisioner.Grant) (marked, empty bool, err error) {
	object, err := c.GetObject(ctx, g.Name, markObject, minio.GetObjectOptions{})
	if err != nil {
		return false, false, err
	}
	defer object.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(object, 1024))
	if err == nil {
		return string(text) == mark(g.Instance), false, nil
	}
	if minio.ToErrorResponse(err).Code != "NoSuchKey" {
		return false, false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for found := range c.ListObjects(ctx, g.Name, minio.ListObjectsOptions{MaxKeys: 1}) {
		return false, false, found.Err
	}
	return false, true, nil
}

func (s *sharedKey) rotate(context.Context, provisioner.Grant, map[string]string) error {
	return s.refused(nil, "all instances use its one key: change that at the provider and in the configuration")
}

// lock cannot keep out whoever has the key of all.
func (s *sharedKey) lock(context.Context, provisioner.Grant) error   { return nil }
func (s *sharedKey) unlock(context.Context, provisioner.Grant) error { return nil }

func (s *sharedKey) purge(ctx context.Context, g provisioner.Grant, empty func(key, secret string) error) error {
	c, err := s.connect(s.User, s.Password)
	if err != nil {
		return err
	}
	there, err := c.BucketExists(ctx, g.Name)
	if err != nil || !there {
		return err
	}
	marked, bare, err := s.look(ctx, c, g)
	if err != nil {
		return err
	}
	if !marked && !bare {
		return s.foreign("bucket", g.Name)
	}
	if err := empty(s.User, s.Password); err != nil {
		return err
	}
	s.at("delete bucket")
	return c.RemoveBucket(ctx, g.Name)
}

func (s *sharedKey) check(ctx context.Context) (string, error) {
	c, err := s.connect(s.User, s.Password)
	if err != nil {
		return "", err
	}
	_, err = c.ListBuckets(ctx)
	return "S3 with one key for all instances: they are not kept apart", err
}
