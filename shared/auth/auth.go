// Package auth decides who may do what. The decision is one table; everything that
// serves a request asks it through May.
package auth

import (
	"slices"
	"time"
)

// Principal is the caller of one request, as the authorizer proved it. Nothing else
// decides the tenant.
type Principal struct {
	Tenant   string    // [a-z0-9-]{1,32}
	Issuer   string    // iss and
	Subject  string    // sub of the token: who the user is where the token came from
	UserPK   int64     // the user's int pk; 0 = not in the token, the tenant's directory knows it
	Username string    // as shown; filters on creator.username compare with it as it was at creation
	Admin    bool      // may do everything in the tenant
	Nodes    []int64   // the nodes this user may act for
	Node     int64     // the node the request acts for, one of Nodes; 0 = none
	Expires  time.Time // the token's exp
}

// MaxPK is the largest primary key of anything: they are below 2³¹, as UFDL's integer
// columns are.
const MaxPK = 1<<31 - 1

// Grants reports whether the token lets the caller act for the node.
func (p Principal) Grants(node int64) bool { return slices.Contains(p.Nodes, node) }

// Action names what a request wants to do. It is also the function's name.
type Action string

// The actions, one per route of the API.
const (
	OutputsList       Action = "joboutputs-list"
	OutputsRetrieve   Action = "joboutputs-retrieve"
	OutputsDestroy    Action = "joboutputs-destroy"
	OutputsHardDelete Action = "joboutputs-harddelete"
	OutputsReinstate  Action = "joboutputs-reinstate"
	OutputsDownload   Action = "joboutputs-download"
	OutputsWrite      Action = "joboutputs-write" // create, update, partial update: what UFDL refuses to everyone

	JobsCreate        Action = "jobs-create"
	JobsRetrieve      Action = "jobs-retrieve"
	JobsAcquire       Action = "jobs-acquire"
	JobsRelease       Action = "jobs-release"
	JobsStart         Action = "jobs-start"
	JobsFinish        Action = "jobs-finish"
	JobsAddOutput     Action = "jobs-addoutput"
	JobsGetOutput     Action = "jobs-getoutput"
	JobsGetOutputInfo Action = "jobs-getoutputinfo"
	JobsDeleteOutput  Action = "jobs-deleteoutput"
	JobsZipOutputs    Action = "jobs-zipoutputs"

	UploadsBegin    Action = "uploads-begin"
	UploadsStatus   Action = "uploads-status"
	UploadsComplete Action = "uploads-complete"
	UploadsAbort    Action = "uploads-abort"

	AuthObtain    Action = "auth-obtain"
	AuthRefresh   Action = "auth-refresh"
	AuthVerify    Action = "auth-verify"
	AuthAuthorize Action = "auth-authorize" // the authorizer: no route

	DocsOpenAPI Action = "docs-openapi"
	DocsLimits  Action = "docs-limits"

	Cleanup Action = "cleanup" // on a schedule: no route
)

// Access is who an action is for.
type Access int

// From the most to the least open.
const (
	Nobody        Access = iota // the zero value: an action missing from the table is refused
	Anyone                      // also without a token
	Authenticated               // every user of the tenant
	Node                        // a caller acting for a node
	Owner                       // a caller acting for the node that owns the job
	OwnerOrAdmin                // an admin, or a caller acting for the node that owns the job
	Admin                       // admins of the tenant
)

// access is the table. A test walks the catalogue's routes and fails where a row is missing.
var access = map[Action]Access{
	OutputsList:       Authenticated,
	OutputsRetrieve:   Authenticated,
	OutputsDownload:   Authenticated,
	OutputsDestroy:    Admin,
	OutputsHardDelete: Admin,
	OutputsReinstate:  Admin,
	OutputsWrite:      Nobody,

	JobsCreate:        Admin,
	JobsRetrieve:      Authenticated,
	JobsAcquire:       Node,
	JobsRelease:       Node,
	JobsStart:         Owner,
	JobsFinish:        Owner,
	JobsAddOutput:     OwnerOrAdmin,
	JobsGetOutput:     Authenticated,
	JobsGetOutputInfo: Authenticated,
	JobsDeleteOutput:  Admin,
	JobsZipOutputs:    Authenticated,

	UploadsBegin:    OwnerOrAdmin,
	UploadsStatus:   OwnerOrAdmin,
	UploadsComplete: OwnerOrAdmin,
	UploadsAbort:    OwnerOrAdmin,

	AuthObtain:  Anyone,
	AuthRefresh: Anyone,
	AuthVerify:  Anyone,
	DocsOpenAPI: Anyone,
	DocsLimits:  Anyone,
}

// AccessOf returns the table's row for an action, and whether there is one.
func AccessOf(a Action) (Access, bool) {
	row, ok := access[a]
	return row, ok
}

// Resource is what is known of the thing acted on.
type Resource struct {
	Read  bool  // whether its row was read; before that, May only refuses what no row could allow
	Owner int64 // the node that owns the job; 0 = none
}

// Unread stands for a resource whose row was not read yet.
var Unread = Resource{}

// Job is a job that was read, owned by the node (0 = by none).
func Job(owner int64) Resource { return Resource{Read: true, Owner: owner} }

// May reports whether the principal may take the action on the resource. It is asked
// twice by actions whose answer depends on a row: with Unread before anything is read,
// and with the row.
func May(p Principal, a Action, on Resource) bool {
	switch access[a] {
	case Anyone:
		return true
	case Authenticated:
		return p.Tenant != ""
	case Node:
		return p.Tenant != "" && p.Node != 0
	case Owner:
		return p.Tenant != "" && p.owns(on)
	case OwnerOrAdmin:
		return p.Tenant != "" && (p.Admin || p.owns(on))
	case Admin:
		return p.Tenant != "" && p.Admin
	default:
		return false
	}
}

// owns reports whether the caller acts for the node that owns the resource, or may yet
// prove to.
func (p Principal) owns(on Resource) bool { return p.Node != 0 && (!on.Read || on.Owner == p.Node) }
