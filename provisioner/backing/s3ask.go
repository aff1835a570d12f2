package backing

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"

	"framagit.org/frama/frama/provisioner"
)

// mostListed is how many objects of a bucket are added up: 1 000 come with each answer of a server.
const mostListed = 200_000

// Gave says whether the variable's bucket is on this server.
func (s *s3) Gave(items map[string]string) bool {
	return items["s3_bucket"] != "" && items["s3_endpoint"] == s.url(s.SeenAs)
}

// Ask adds up the sizes of the bucket's objects. S3 has no way to ask for the sum.
func (s *s3) Ask(ctx context.Context, items map[string]string, within time.Duration, queries []string) (size provisioner.Answer, answers []provisioner.Answer) {
	_, answers = unanswered(fmt.Errorf("the backing server %s holds no tables", s.Options.Name), len(queries))
	c, err := s.connect(items["s3_key"], items["s3_secret"])
	if err != nil {
		return provisioner.Answer{Err: err}, answers
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var sum, objects int64
	for object := range c.ListObjects(ctx, items["s3_bucket"], minio.ListObjectsOptions{Recursive: true}) {
		switch objects++; {
		case object.Err != nil && ctx.Err() != nil:
			return provisioner.Answer{Err: fmt.Errorf("listing the bucket took longer than %s (%d objects until then): raise usage.timeout", within, objects)}, answers
		case object.Err != nil:
			return provisioner.Answer{Err: s.explain(object.Err)}, answers
		case objects > mostListed:
			return provisioner.Answer{Err: fmt.Errorf("the bucket holds more than %d objects, which frama does not add up: look at the object store's own figures", mostListed)}, answers
		case object.Key == markObject:
			continue // frama's own
		}
		sum += object.Size
	}
	if err := ctx.Err(); err != nil {
		return provisioner.Answer{Err: fmt.Errorf("listing the bucket took longer than %s (%d objects until then): raise usage.timeout", within, objects)}, answers
	}
	return provisioner.Answer{Text: strconv.FormatInt(sum, 10)}, answers
}
