package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// explain tells what an answer of the server means. nil stays nil.
func (b *Backend) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if done := ctx.Err(); done != nil {
		return errors.Join(done, err)
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return network.Explain(err)
	}
	said := fmt.Errorf("%s (%s)", answer.Message, answer.Code)
	if answer.Message == "" {
		said = errors.New(answer.Code)
	}
	switch answer.Code {
	case minio.NoSuchKey, "NotFound":
		return fmt.Errorf("%w: %w", fs.ErrNotExist, said)
	case "XAdminUserNotFound": // versitygw's word for an unknown key
		answer.Code, answer.StatusCode = "InvalidAccessKeyId", http.StatusForbidden
	case "RequestTimeout", "OperationAborted", minio.Conflict:
		return said // their status is that of a lasting fault
	}
	if hint := b.hint(answer); hint != "" {
		said = driver.WithHint(said, hint)
	}
	switch s := answer.StatusCode; {
	case s == http.StatusForbidden || s == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", fs.ErrPermission, said)
	case s == http.StatusRequestTimeout || s == http.StatusTooManyRequests:
		return said
	case s >= 300 && s < 500, s == http.StatusNotImplemented, s == http.StatusInsufficientStorage:
		return driver.Permanent(said)
	}
	return said
}

func (b *Backend) hint(answer minio.ErrorResponse) string {
	switch answer.Code {
	case minio.NoSuchBucket, "InvalidBucketName":
		return fmt.Sprintf("create the bucket %s, or correct its name in the URL", b.bucket)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidTokenId":
		return "get new temporary credentials and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "IllegalLocationConstraintException":
		if answer.Region != "" {
			return "set AWS_REGION to " + answer.Region
		}
		return "set AWS_REGION to the bucket's region"
	case "RequestTimeTooSkewed":
		return "set the clock of this machine right"
	case "InvalidObjectState":
		return "the object is in a cold storage class; have S3 restore it first, then try again"
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
		return "free some space on the target, or raise its quota"
	case minio.AccessDenied:
		if b.anonymous() {
			return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: neither they, nor a file of credentials, nor a role of this machine are there"
		}
		return fmt.Sprintf("give these credentials the rights to list the bucket %s and to get, put and delete its objects", b.bucket)
	}
	return ""
}
