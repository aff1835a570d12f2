package backing

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/minio/minio-go/v7"

	"framagit.org/frama/frama/provisioner"
)

// garage makes keys and buckets through Garage's administration interface, version 2, with its admin token as password.
// A key bears the instance's mark as its name from the request that makes it; a bucket is made together with such a key,
// and so is known by it. Garage cannot change a secret, so a rotation brings a new key.
type garage struct{ *s3 }

func (c *garage) secrets(_ string, random io.Reader) map[string]string {
	draw := func(n int) string {
		raw := make([]byte, n)
		if _, err := io.ReadFull(random, raw); err != nil {
			panic("no randomness for a secret: " + err.Error())
		}
		return hex.EncodeToString(raw)
	}
	return map[string]string{"s3_key": "GK" + draw(12), "s3_secret": draw(32)}
}

type garageKey struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
	Name            string `json:"name"`
}

type garagePermissions struct {
	Read  bool `json:"read"`
	Write bool `json:"write"`
	Owner bool `json:"owner"`
}

type garageBucket struct {
	ID   string       `json:"id"`
	Keys []allowedKey `json:"keys"`
}

// allowedKey is a key with what it may do with a bucket.
type allowedKey struct {
	garageKey
	Permissions garagePermissions `json:"permissions"`
}

// usable is all that an instance may: objects, not the bucket itself.
var usable = garagePermissions{Read: true, Write: true}

func (c *garage) ensure(ctx context.Context, g provisioner.Grant) error {
	if err := c.ensureKey(ctx, g, g.Secrets); err != nil {
		return err
	}
	bucket, there, err := c.bucket(ctx, g)
	if err != nil {
		return err
	}
	key := g.Secrets["s3_key"]
	if !there {
		c.at("make bucket")
		return c.do(ctx, http.MethodPost, "/v2/CreateBucket", nil, map[string]any{
			"globalAlias": g.Name, "localAlias": map[string]any{"accessKeyId": key, "alias": g.Name, "allow": usable},
		}, nil)
	}
	if err := c.allow(ctx, bucket, key); err != nil {
		return err
	}
	for _, k := range bucket.Keys {
		if k.Name == mark(g.Instance) && k.AccessKeyID != key {
			c.at("delete old key")
			if err := c.deleteKey(ctx, k.AccessKeyID); err != nil {
				return err
			}
		}
	}
	return nil
}

// ensureKey brings a key with its secret to Garage.
func (c *garage) ensureKey(ctx context.Context, g provisioner.Grant, secrets map[string]string) error {
	var known garageKey
	there, err := c.find(ctx, "/v2/GetKeyInfo", url.Values{"id": {secrets["s3_key"]}}, &known)
	switch {
	case err != nil:
		return err
	case there && known.Name != mark(g.Instance):
		return c.foreign("key", secrets["s3_key"])
	case there:
		return nil
	}
	c.at("make key")
	return c.do(ctx, http.MethodPost, "/v2/ImportKey", nil,
		garageKey{AccessKeyID: secrets["s3_key"], SecretAccessKey: secrets["s3_secret"], Name: mark(g.Instance)}, nil)
}

// bucket finds the instance's bucket by a key that bears its mark.
func (c *garage) bucket(ctx context.Context, g provisioner.Grant) (b garageBucket, there bool, err error) {
	there, err = c.find(ctx, "/v2/GetBucketInfo", url.Values{"globalAlias": {g.Name}}, &b)
	if err != nil || !there {
		return b, false, err
	}
	for _, k := range b.Keys {
		if k.Name == mark(g.Instance) {
			return b, true, nil
		}
	}
	return b, true, c.foreign("bucket", g.Name)
}

func (c *garage) allow(ctx context.Context, b garageBucket, key string) error {
	if slices.ContainsFunc(b.Keys, func(k allowedKey) bool {
		return k.AccessKeyID == key && k.Permissions.Read && k.Permissions.Write
	}) {
		return nil
	}
	c.at("allow key")
	return c.do(ctx, http.MethodPost, "/v2/AllowBucketKey", nil, map[string]any{"bucketId": b.ID, "accessKeyId": key, "permissions": usable}, nil)
}

func (c *garage) rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	bucket, there, err := c.bucket(ctx, g)
	if err != nil {
		return err
	}
	if !there {
		return c.refused(nil, "the bucket %s is gone: restore it from your backup", g.Name)
	}
	if err := c.ensureKey(ctx, g, next); err != nil {
		return err
	}
	// Garage shows with a bucket the keys that may use it, and those that have a name of their own for it: that name is what
	// the mark hangs on when the key is locked. The first key gets it with the bucket.
	c.at("name bucket")
	err = c.do(ctx, http.MethodPost, "/v2/AddBucketAlias", nil,
		map[string]any{"bucketId": bucket.ID, "localAlias": g.Name, "accessKeyId": next["s3_key"]}, nil)
	if err != nil {
		return err
	}
	return c.allow(ctx, bucket, next["s3_key"])
}

// lock takes the permissions from the instance's keys. The keys stay, with the mark.
func (c *garage) lock(ctx context.Context, g provisioner.Grant) error {
	bucket, there, err := c.bucket(ctx, g)
	if err != nil || !there {
		return err
	}
	for _, k := range bucket.Keys {
		if k.Name != mark(g.Instance) {
			continue
		}
		c.at("lock key")
		err := c.do(ctx, http.MethodPost, "/v2/DenyBucketKey", nil, map[string]any{
			"bucketId": bucket.ID, "accessKeyId": k.AccessKeyID, "permissions": garagePermissions{Read: true, Write: true, Owner: true},
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// unlock does little: Ensure allows the key again.
func (c *garage) unlock(ctx context.Context, g provisioner.Grant) error {
	_, there, err := c.bucket(ctx, g)
	if err == nil && !there {
		err = c.refused(nil, "the bucket %s is gone: restore it from your backup first", g.Name)
	}
	return err
}

func (c *garage) purge(ctx context.Context, g provisioner.Grant, empty func(key, secret string) error) error {
	bucket, there, err := c.bucket(ctx, g)
	if err != nil {
		return err
	}
	if there {
		if err := c.purgeBucket(ctx, g, bucket, empty); err != nil {
			return err
		}
	}
	// All that bear the mark: what was cut short may have left some without the bucket.
	var keys []struct{ ID, Name string }
	if err := c.do(ctx, http.MethodGet, "/v2/ListKeys", nil, nil, &keys); err != nil {
		return err
	}
	for _, k := range keys {
		if k.Name == mark(g.Instance) {
			c.at("delete key")
			if err := c.deleteKey(ctx, k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// purgeBucket lets one of the instance's keys empty the bucket, and deletes it.
func (c *garage) purgeBucket(ctx context.Context, g provisioner.Grant, b garageBucket, empty func(key, secret string) error) error {
	at := slices.IndexFunc(b.Keys, func(k allowedKey) bool {
		return k.Name == mark(g.Instance)
	})
	key := b.Keys[at].AccessKeyID // there is one, or the bucket would not be the instance's
	if err := c.allow(ctx, b, key); err != nil {
		return err
	}
	var opened garageKey
	if _, err := c.find(ctx, "/v2/GetKeyInfo", url.Values{"id": {key}, "showSecretKey": {"true"}}, &opened); err != nil {
		return err
	}
	if err := empty(opened.AccessKeyID, opened.SecretAccessKey); err != nil {
		return err
	}
	c.at("delete bucket")
	return c.do(ctx, http.MethodPost, "/v2/DeleteBucket", url.Values{"id": {b.ID}}, nil, nil)
}

func (c *garage) deleteKey(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/v2/DeleteKey", url.Values{"id": {id}}, nil, nil)
}

func (c *garage) check(ctx context.Context) (string, error) {
	var health struct{ Status string }
	if err := c.do(ctx, http.MethodGet, "/v2/GetClusterHealth", nil, nil, &health); err != nil {
		return "", err
	}
	return "Garage, " + health.Status, nil
}

// find is a question whose answer may be that there is no such thing.
func (c *garage) find(ctx context.Context, path string, query url.Values, answer any) (bool, error) {
	err := c.do(ctx, http.MethodGet, path, query, nil, answer)
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

func (c *garage) do(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("word the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	target := c.url(c.Admin) + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return c.wrong("admin: %v", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		// The answer's words may hold the request's.
		return minio.ErrorResponse{StatusCode: resp.StatusCode, Code: resp.Status, Message: "answer of " + path}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s answers what frama cannot read: is it Garage 2?: %w", c.Admin, err)
	}
	return nil
}
