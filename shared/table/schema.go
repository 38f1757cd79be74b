package table

// Definition is the shape of the table, as plain data: the local run creates the table
// from it, and the stack declares it from it. All key attributes are strings; capacity is
// on demand.
type Definition struct {
	PartitionKey, SortKey string
	TTL                   string // attribute with the Unix second after which DynamoDB may drop the row
	Indexes               []Index
}

// Index is a global secondary index with an INCLUDE projection.
type Index struct {
	Name                  string
	PartitionKey, SortKey string
	Projected             []string // attributes besides the keys
}

// Schema is the one definition of the table. keys.go says which rows live in it.
var Schema = Definition{
	PartitionKey: "PK",
	SortKey:      "SK",
	TTL:          "expires",
	Indexes: []Index{{
		Name:         TimelineIndex,
		PartitionKey: "TLPK",
		SortKey:      "TLSK",
		Projected: []string{
			"pk", "job", "name", "type", "creator", "creator_username", "creation_time", "deletion_time",
			"size", "content_type", "sha256", "checksum",
		},
	}},
}

// TimelineIndex is the name of the index of a tenant's outputs by time.
const TimelineIndex = "timeline"
