//go:build ignore

package outputs

// TableSchema is the shape of the table, as plain data: the local run creates the
// table from it and the stack declares it from it. All key attributes are strings,
// capacity is on demand.
type TableSchema struct {
	PartitionKey, SortKey string
	TTL                   string // attribute with the Unix second after which DynamoDB may drop the row
	Indexes               []IndexSchema
}

// IndexSchema is a global secondary index with an INCLUDE projection.
type IndexSchema struct {
	Name                  string
	PartitionKey, SortKey string
	Projected             []string // attributes besides the keys
}

// Schema is the one definition of the table. keys.go says which rows live in it.
var Schema = TableSchema{
	PartitionKey: "PK",
	SortKey:      "SK",
	TTL:          "expires",
	Indexes: []IndexSchema{{
		Name:         timelineIndex,
		PartitionKey: "TLPK",
		SortKey:      "TLSK",
		Projected: []string{
			"pk", "job", "name", "type", "creator", "creator_username", "creation_time", "deletion_time",
			"size", "content_type", "sha256", "checksum",
		},
	}},
}

const timelineIndex = "timeline"
