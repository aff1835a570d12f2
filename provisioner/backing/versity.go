package backing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/signer"

	"framagit.org/frama/frama/provisioner"
)

// versity makes accounts and buckets on a Versity S3 Gateway, through its administration interface (requests signed like
// those of S3). An account of role "user" makes no buckets, and opens those it owns. A bucket is made with its owner in
// one request, and the account's key is derived from the instance: that is the mark.
type versity struct{ *s3 }

func (v *versity) secrets(instance string, random io.Reader) map[string]string {
	return map[string]string{"s3_key": keyOf(instance), "s3_secret": provisioner.SecretText(random, 40)}
}

type versityAccount struct {
	XMLName xml.Name `xml:"Account"`
	Access  string
	Secret  string
	Role    string
}

type versitySecret struct {
	XMLName xml.Name `xml:"MutableProps"`
	Secret  string
}

func (v *versity) ensure(ctx context.Context, g provisioner.Grant) error {
	owner, err := v.owner(ctx, g.Name)
	if err != nil {
		return err
	}
	if owner != "" && owner != keyOf(g.Instance) {
		return v.foreign("bucket", g.Name)
	}
	if err := v.ensureAccount(ctx, g); err != nil {
		return err
	}
	if owner == "" {
		v.at("make bucket")
		header := http.Header{"X-Vgw-Owner": {keyOf(g.Instance)}}
		if err := v.do(ctx, "/"+g.Name+"/create", nil, header, nil, nil); err != nil {
			return err
		}
	}
	return ensureLogin(ctx, v.s3, g, func() error { return v.rotate(ctx, g, g.Secrets) })
}

func (v *versity) ensureAccount(ctx context.Context, g provisioner.Grant) error {
	there, err := v.account(ctx, keyOf(g.Instance))
	if err != nil || there {
		return err
	}
	v.at("make account")
	return v.do(ctx, "/create-user", nil, nil, versityAccount{Access: keyOf(g.Instance), Secret: g.Secrets["s3_secret"], Role: "user"}, nil)
}

func (v *versity) rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	there, err := v.account(ctx, keyOf(g.Instance))
	if err != nil || !there {
		return err // one that is missing is made by Ensure, with next
	}
	v.at("set secret")
	return v.setSecret(ctx, g, next["s3_secret"])
}

func (v *versity) setSecret(ctx context.Context, g provisioner.Grant, secret string) error {
	return v.do(ctx, "/update-user", url.Values{"access": {keyOf(g.Instance)}}, nil, versitySecret{Secret: secret}, nil)
}

// lock gives the account a secret that nobody knows: deleting it would leave the bucket without its mark.
func (v *versity) lock(ctx context.Context, g provisioner.Grant) error {
	there, err := v.account(ctx, keyOf(g.Instance))
	if err != nil || !there {
		return err
	}
	v.at("lock account")
	return v.setSecret(ctx, g, provisioner.SecretText(randomReader, 40))
}

// unlock does nothing: Ensure sets the instance's secret again.
func (v *versity) unlock(ctx context.Context, g provisioner.Grant) error {
	owner, err := v.owner(ctx, g.Name)
	if err == nil && owner != keyOf(g.Instance) {
		err = v.refused(nil, "the bucket %s is gone: restore it from your backup first", g.Name)
	}
	return err
}

func (v *versity) purge(ctx context.Context, g provisioner.Grant, empty func(key, secret string) error) error {
	owner, err := v.owner(ctx, g.Name)
	if err != nil {
		return err
	}
	if owner != "" && owner != keyOf(g.Instance) {
		return v.foreign("bucket", g.Name)
	}
	if owner != "" {
		if err := empty(v.User, v.Password); err != nil {
			return err
		}
		c, err := v.connect(v.User, v.Password)
		if err != nil {
			return err
		}
		v.at("delete bucket")
		if err := c.RemoveBucket(ctx, g.Name); err != nil {
			return err
		}
	}
	there, err := v.account(ctx, keyOf(g.Instance))
	if err != nil || !there {
		return err
	}
	v.at("delete account")
	return v.do(ctx, "/delete-user", url.Values{"access": {keyOf(g.Instance)}}, nil, nil, nil)
}

func (v *versity) check(ctx context.Context) (string, error) {
	if _, err := v.account(ctx, ""); err != nil {
		return "", err
	}
	return "Versity S3 Gateway", nil
}

// account says whether there is an account.
func (v *versity) account(ctx context.Context, key string) (bool, error) {
	var list struct {
		Accounts []struct{ Access string }
	}
	if err := v.do(ctx, "/list-users", nil, nil, nil, &list); err != nil {
		return false, err
	}
	for _, a := range list.Accounts {
		if a.Access == key {
			return true, nil
		}
	}
	return false, nil
}

// owner is the key that owns a bucket, empty where there is none.
func (v *versity) owner(ctx context.Context, bucket string) (string, error) {
	var list struct {
		Buckets []struct {
			Name  string
			Owner string
		} `xml:"Buckets"`
	}
	if err := v.do(ctx, "/list-buckets", nil, nil, nil, &list); err != nil {
		return "", err
	}
	for _, b := range list.Buckets {
		if b.Name == bucket {
			return b.Owner, nil
		}
	}
	return "", nil
}

// do makes one signed request to the administration interface.
func (v *versity) do(ctx context.Context, path string, query url.Values, header http.Header, body, answer any) error {
	var content []byte
	var err error
	if body != nil {
		if content, err = xml.Marshal(body); err != nil {
			return fmt.Errorf("word the request: %w", err)
		}
	}
	address := v.Admin
	if address == "" {
		address = v.Address
	}
	target := v.url(address) + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, target, bytes.NewReader(content))
	if err != nil {
		return v.wrong("address: %v", err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	sum := sha256.Sum256(content)
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	resp, err := v.client.Do(signer.SignV4(*req, v.User, v.Password, "", v.Region))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		problem := minio.ErrorResponse{StatusCode: resp.StatusCode}
		_ = xml.Unmarshal(text, &problem)
		if problem.Code == "" {
			problem.Code, problem.Message = resp.Status, "answer of "+path
		}
		if problem.StatusCode == http.StatusForbidden {
			return v.denied(problem)
		}
		return problem
	}
	if answer == nil {
		return nil
	}
	if err := xml.Unmarshal(text, answer); err != nil {
		return errors.Join(fmt.Errorf("%s answers what frama cannot read: is it a Versity S3 Gateway?", address), err)
	}
	return nil
}
