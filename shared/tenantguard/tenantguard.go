// Package tenantguard rejects every call to DynamoDB and S3 outside the caller's tenant.
//
// It is SDK middleware, active in production, and shares no code with the key builders: the
// tenant is the verified caller's, which package api put into the context, and the shape of
// keys is written down here a second time. A wrong key is rejected before the request is
// sent, whatever produced it. So is a call without a caller, and every operation that the
// guard does not know. table.New installs the guard on its clients.
package tenantguard

import (
	"context"
	"errors"

	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/auth"
)

// Breach is the error of a rejected call. It is always a defect of the service, never the
// caller's mistake, so the request fails with 500. It is logged, so it names the operation
// and no key.
type Breach struct {
	Operation string // "PutItem"
}

func (b *Breach) Error() string {
	return "tenantguard: " + b.Operation + " outside the tenant of the caller was rejected"
}

// Breached returns the breach that an error is about, nil for none.
func Breached(err error) *Breach {
	if b := (*Breach)(nil); errors.As(err, &b) {
		return b
	}
	return nil
}

// Tenant guards the clients that serve a tenant's requests; it goes into a client's
// APIOptions. It allows:
//
//   - rows whose partition, in the table and in the timeline, belongs to the tenant;
//   - writing and deleting, but not reading, queue rows that name the tenant;
//   - objects, and presigned links to objects, that belong to the tenant.
func Tenant(stack *middleware.Stack) error {
	return build(stack, func(ctx context.Context, in any) bool {
		tenant := auth.TenantOf(ctx)
		return tenant != "" && caller(tenant).may(in)
	})
}

// Cleanup guards the clients of the cleanup, which works on behalf of no tenant:
// it reads and writes the queue, ends uploads, and removes objects. It reads no row of a
// tenant and no bytes, and writes none.
func Cleanup(stack *middleware.Stack) error {
	return build(stack, func(_ context.Context, in any) bool { return cleanupMay(in) })
}

// build adds the guard as the first step, so that a rejected call has no effect.
func build(stack *middleware.Stack, may func(ctx context.Context, in any) bool) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TenantGuard", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		if !may(ctx, in.Parameters) {
			return middleware.InitializeOutput{}, middleware.Metadata{}, &Breach{middleware.GetOperationName(ctx)}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}
