// Package walls keeps every call to the stores inside the tenant it is made on behalf of.
//
// It stands between the store and the AWS SDK, in production too, and knows nothing of the
// code that makes keys: the tenant is that of the proved caller, which api put into the
// context, and the shape of keys is written down here a second time. A key that is made
// wrong, whatever the reason, is refused before anything leaves; so is a call of nobody, and
// every operation that is not known here. outputs.New puts the walls around its clients.
package walls

import (
	"context"
	"errors"

	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/auth"
)

// Breach is the error of a call that was refused. It is a defect of ours, never the
// caller's: a 500. It names the operation and, as it is logged, no key.
type Breach struct {
	Operation string // "PutItem"
}

func (b *Breach) Error() string {
	return "walls: " + b.Operation + " outside the tenant of the caller was refused"
}

// Breached returns the breach that an error is about, nil for none.
func Breached(err error) *Breach {
	if b := (*Breach)(nil); errors.As(err, &b) {
		return b
	}
	return nil
}

// Tenant is the wall around the clients of a tenant's calls, for a client's APIOptions:
//
//   - a row's partition, in the table and in the timeline, is the tenant's;
//   - a row of the queue may be put or deleted if it names the tenant, and not be read;
//   - an object, also of a presigned link, is the tenant's.
func Tenant(stack *middleware.Stack) error {
	return build(stack, func(ctx context.Context, in any) bool {
		tenant := auth.TenantOf(ctx)
		return tenant != "" && caller(tenant).may(in)
	})
}

// Sweeper is the wall around the clients of the sweep, which works on behalf of no tenant:
// it reads and writes the queue, ends uploads, and removes objects. It reads no row of a
// tenant and no bytes, and writes none.
func Sweeper(stack *middleware.Stack) error {
	return build(stack, func(_ context.Context, in any) bool { return sweeps(in) })
}

// build adds the wall as the first of all steps, so that nothing is done for a call that
// is refused.
func build(stack *middleware.Stack, may func(ctx context.Context, in any) bool) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TenantWall", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		if !may(ctx, in.Parameters) {
			return middleware.InitializeOutput{}, middleware.Metadata{}, &Breach{middleware.GetOperationName(ctx)}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}
