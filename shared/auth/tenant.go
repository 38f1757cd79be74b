package auth

import "context"

type tenantKey struct{}

// WithTenant is a context for calls that are made on behalf of a tenant. It is called where
// the tenant is known for sure, and nowhere else: by api, of the caller who was proved, and
// by what loads rows into a tenant. The tenant guard checks every key against it.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf is the tenant that calls of this context are made on behalf of, "" for none.
func TenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
