package harness

import (
	"joboutputs/shared/auth"
	"joboutputs/shared/table"
)

// Effects is how often calls of an action took effect on what a tenant has, by its rows: a
// call that is carried out twice counts twice. It is compared with what it was before.
func (s *Stores) Effects(tenant string, action auth.Action) int {
	n := 0
	for _, r := range s.rows {
		if r.tenant() != tenant {
			continue
		}
		switch kind := r.kind(); {
		case action == auth.OutputsHardDelete:
			if r.Kind == table.TombstoneKind {
				n++
			}
		case action == auth.UploadsBegin:
			if kind == "X" {
				n++
			}
		case action == auth.UploadsAbort:
			if kind == "X" && r.State == "aborted" {
				n++
			}
		case kind == "J", kind == "O": // every change is another version
			n += int(r.V)
		}
	}
	return n
}
