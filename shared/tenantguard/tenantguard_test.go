package tenantguard_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/shared/auth"
	"joboutputs/shared/tenantguard"
)

// clients are the SDK's own, with a guard on them; what passes it meets sent.
type clients struct {
	db      *dynamodb.Client
	s3      *s3.Client
	presign *s3.PresignClient
	left    *int // calls that left
}

var errSent = errors.New("sent")

func newClients(guard func(*middleware.Stack) error) clients {
	c := clients{left: new(int)}
	cfg := aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		RetryMaxAttempts: 1, APIOptions: []func(*middleware.Stack) error{guard},
		HTTPClient: doer(func(*http.Request) (*http.Response, error) { *c.left++; return nil, errSent }),
	}
	c.db, c.s3 = dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	c.presign = s3.NewPresignClient(c.s3)
	return c
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

type item = map[string]types.AttributeValue

func s(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }

func key(pk, sk string) item { return item{"PK": s(pk), "SK": s(sk)} }

func with(i item, name, value string) item { i[name] = s(value); return i }

func equal(name, value string) map[string]types.Condition {
	return map[string]types.Condition{name: {ComparisonOperator: types.ComparisonOperatorEq, AttributeValueList: []types.AttributeValue{s(value)}}}
}

// calls are one call of every kind the store makes, on the rows and objects of a tenant.
func (c clients) calls(tenant string) map[string]func(context.Context) error {
	var (
		t, b   = aws.String("table"), aws.String("bucket")
		row    = key("T#"+tenant+"#O#1", "O")
		listed = with(key("T#"+tenant+"#O#1", "O"), "TLPK", "T#"+tenant+"#S1")
		queued = with(key("W#3", "2026-01-01T00:00:00.000000Z#"+tenant+"#01X"), "tenant", tenant)
		waits  = item{"PK": queued["PK"], "SK": queued["SK"]}
		object = aws.String("t/" + tenant + "/01X")
	)
	write := func(items ...types.TransactWriteItem) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
			return err
		}
	}
	batch := func(requests ...types.WriteRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"table": requests}})
			return err
		}
	}
	query := func(in dynamodb.QueryInput) func(context.Context) error {
		in.TableName = t
		return func(ctx context.Context) error { _, err := c.db.Query(ctx, &in); return err }
	}
	return map[string]func(context.Context) error{
		"GetItem": func(ctx context.Context) error {
			_, err := c.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: t, Key: row})
			return err
		},
		"PutItem": func(ctx context.Context) error {
			_, err := c.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: t, Item: listed})
			return err
		},
		"PutItem of the queue": func(ctx context.Context) error {
			_, err := c.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: t, Item: queued})
			return err
		},
		"UpdateItem": func(ctx context.Context) error {
			_, err := c.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: t, Key: row, UpdateExpression: aws.String("SET #a = :a"), ExpressionAttributeNames: map[string]string{"#a": "v"}})
			return err
		},
		"DeleteItem": func(ctx context.Context) error {
			_, err := c.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: t, Key: row})
			return err
		},
		"UpdateItem of the queue": func(ctx context.Context) error {
			_, err := c.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: t, Key: waits})
			return err
		},
		"DeleteItem of the queue": func(ctx context.Context) error {
			_, err := c.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: t, Key: waits})
			return err
		},
		"Query":                 query(dynamodb.QueryInput{KeyConditions: equal("PK", "T#"+tenant+"#J#1")}),
		"Query of the timeline": query(dynamodb.QueryInput{IndexName: aws.String("timeline"), KeyConditions: equal("TLPK", "T#"+tenant+"#S0")}),
		"Query of the next page": query(dynamodb.QueryInput{IndexName: aws.String("timeline"), KeyConditions: equal("TLPK", "T#"+tenant+"#S1"),
			ExclusiveStartKey: listed}),
		"BatchGetItem": func(ctx context.Context) error {
			_, err := c.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"table": {Keys: []item{row}}}})
			return err
		},
		"TransactGetItems": func(ctx context.Context) error {
			_, err := c.db.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: t, Key: row}}}})
			return err
		},
		"BatchWriteItem, put":                  batch(types.WriteRequest{PutRequest: &types.PutRequest{Item: listed}}),
		"BatchWriteItem, delete":               batch(types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: row}}),
		"TransactWriteItems, put":              write(types.TransactWriteItem{Put: &types.Put{TableName: t, Item: listed}}),
		"TransactWriteItems, put in the queue": write(types.TransactWriteItem{Put: &types.Put{TableName: t, Item: queued}}),
		"TransactWriteItems, update":           write(types.TransactWriteItem{Update: &types.Update{TableName: t, Key: row, UpdateExpression: aws.String("SET v = :v")}}),
		"TransactWriteItems, delete":           write(types.TransactWriteItem{Delete: &types.Delete{TableName: t, Key: row}}),
		"TransactWriteItems, delete of queue":  write(types.TransactWriteItem{Delete: &types.Delete{TableName: t, Key: waits}}),
		"TransactWriteItems, check":            write(types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: t, Key: row, ConditionExpression: t}}),

		"PutObject": func(ctx context.Context) error {
			_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: object, Body: strings.NewReader("x")})
			return err
		},
		"GetObject": func(ctx context.Context) error {
			_, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: object})
			return err
		},
		"HeadObject": func(ctx context.Context) error {
			_, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: object})
			return err
		},
		"DeleteObject": func(ctx context.Context) error {
			_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: object})
			return err
		},
		"CreateMultipartUpload": func(ctx context.Context) error {
			_, err := c.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: object})
			return err
		},
		"UploadPart": func(ctx context.Context) error {
			_, err := c.s3.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: object, UploadId: t, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			return err
		},
		"ListParts": func(ctx context.Context) error {
			_, err := c.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: object, UploadId: t})
			return err
		},
		"CompleteMultipartUpload": func(ctx context.Context) error {
			_, err := c.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: object, UploadId: t})
			return err
		},
		"AbortMultipartUpload": func(ctx context.Context) error {
			_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: object, UploadId: t})
			return err
		},
		"a link to read": func(ctx context.Context) error {
			_, err := c.presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: object})
			return err
		},
		"a link to put": func(ctx context.Context) error {
			_, err := c.presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: object})
			return err
		},
		"a link to put a part": func(ctx context.Context) error {
			_, err := c.presign.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: object, UploadId: t, PartNumber: aws.Int32(1)})
			return err
		},
	}
}

// TestTenant holds every kind of call to the tenant of the context: made in it, it leaves;
// made by another, or by nobody, it does not, and the error does not say the key.
func TestTenant(t *testing.T) {
	for name := range newClients(tenantguard.Tenant).calls("acme") {
		for _, tc := range []struct {
			caller, owner string
			refused       bool
		}{
			{"acme", "acme", false},
			{"a", "a", false},
			{"acme", "other", true},
			{"acme", "acme-2", true}, // names of which one begins the other
			{"acme-2", "acme", true},
			{"acme", "", true}, // a prefix that was dropped
			{"", "acme", true},
			{"", "", true},
		} {
			c := newClients(tenantguard.Tenant)
			ctx := t.Context()
			if tc.caller != "" {
				ctx = auth.WithTenant(ctx, tc.caller)
			}
			err := c.calls(tc.owner)[name](ctx)
			breach := tenantguard.Breached(err)
			switch {
			case tc.refused && (breach == nil || *c.left != 0):
				t.Errorf("%s of %q by %q: %v, and %d calls left", name, tc.owner, tc.caller, err, *c.left)
			case !tc.refused && breach != nil:
				t.Errorf("%s of %q by %q: %v", name, tc.owner, tc.caller, err)
			case !tc.refused && !strings.HasPrefix(name, "a link") && *c.left == 0:
				t.Errorf("%s of %q by %q did not leave: %v", name, tc.owner, tc.caller, err)
			}
			if breach != nil && (breach.Operation == "" || strings.Contains(err.Error(), "#") || strings.Contains(err.Error(), "t/")) {
				t.Errorf("%s of %q by %q: %v", name, tc.owner, tc.caller, err)
			}
		}
	}
}

// TestTenantRefuses is what no key allows.
func TestTenantRefuses(t *testing.T) {
	c := newClients(tenantguard.Tenant)
	table, bucket := aws.String("table"), aws.String("bucket")
	queue := "2026-01-01T00:00:00.000000Z#acme#01X"
	put := func(i item) error {
		_, err := c.db.PutItem(acme(t), &dynamodb.PutItemInput{TableName: table, Item: i})
		return err
	}
	get := func(object string) error {
		_, err := c.s3.GetObject(acme(t), &s3.GetObjectInput{Bucket: bucket, Key: &object})
		return err
	}
	query := func(in dynamodb.QueryInput) error {
		in.TableName = table
		_, err := c.db.Query(acme(t), &in)
		return err
	}
	update := func(in dynamodb.UpdateItemInput) error {
		in.TableName, in.Key = table, key("T#acme#O#1", "O")
		_, err := c.db.UpdateItem(acme(t), &in)
		return err
	}
	mine := equal("PK", "T#acme#J#1")
	condition := mine["PK"]
	condition.ComparisonOperator = types.ComparisonOperatorBeginsWith
	for name, call := range map[string]func() error{
		"a row in another's timeline":    func() error { return put(with(key("T#acme#O#1", "O"), "TLPK", "T#other#S0")) },
		"a queue row that names another": func() error { return put(with(key("W#1", queue), "tenant", "other")) },
		"a queue row that names nobody":  func() error { return put(key("W#1", queue)) },
		"a queue row under another's name": func() error {
			return put(with(key("W#1", strings.Replace(queue, "acme", "other", 1)), "tenant", "acme"))
		},
		"a row under no tenant":            func() error { return put(key("O#1", "O")) },
		"a row whose key is no text":       func() error { return put(item{"PK": &types.AttributeValueMemberN{Value: "1"}}) },
		"a row of the tenant itself":       func() error { return put(key("T#acme#", "O")) },
		"an update of a place in timeline": func() error { return update(dynamodb.UpdateItemInput{UpdateExpression: aws.String("SET TLPK = :x")}) },
		"an update of a place under a name": func() error {
			return update(dynamodb.UpdateItemInput{UpdateExpression: aws.String("SET #s1 = :x"), ExpressionAttributeNames: map[string]string{"#s1": "TLPK"}})
		},
		"an update of the old kind": func() error {
			return update(dynamodb.UpdateItemInput{AttributeUpdates: map[string]types.AttributeValueUpdate{"TLPK": {}}})
		},
		"a query without a partition": func() error { return query(dynamodb.QueryInput{}) },
		"a query of a range of partitions": func() error {
			return query(dynamodb.QueryInput{KeyConditions: map[string]types.Condition{"PK": condition}})
		},
		"a query by an expression": func() error {
			return query(dynamodb.QueryInput{KeyConditions: mine, KeyConditionExpression: aws.String("PK = :pk")})
		},
		"a query of the timeline by PK": func() error {
			return query(dynamodb.QueryInput{KeyConditions: mine, IndexName: aws.String("timeline")})
		},
		"a query of the queue": func() error { return query(dynamodb.QueryInput{KeyConditions: equal("PK", "W#1")}) },
		"a page of another's": func() error {
			return query(dynamodb.QueryInput{KeyConditions: mine, ExclusiveStartKey: key("T#other#J#1", "N#")})
		},
		"an object above the tenant's":      func() error { return get("t/acme/../other/01X") },
		"an object below the tenant's":      func() error { return get("t/acme/other/01X") },
		"an object with no name":            func() error { return get("t/acme/") },
		"an object of a tenant in capitals": func() error { return get("t/ACME/01X") },
		"an object with a slash before":     func() error { return get("/t/acme/01X") },
		"a scan":                            func() error { _, err := c.db.Scan(acme(t), &dynamodb.ScanInput{TableName: table}); return err },
		"a transaction that reads one of another": func() error {
			_, err := c.db.TransactGetItems(acme(t), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
				{Get: &types.Get{TableName: table, Key: key("T#acme#I#1", "I")}}, {Get: &types.Get{TableName: table, Key: key("T#other#I#1", "I")}},
			}})
			return err
		},
		"a statement": func() error {
			_, err := c.db.ExecuteStatement(acme(t), &dynamodb.ExecuteStatementInput{Statement: table})
			return err
		},
		"the end of the table": func() error {
			_, err := c.db.DeleteTable(acme(t), &dynamodb.DeleteTableInput{TableName: table})
			return err
		},
		"a list of objects": func() error {
			_, err := c.s3.ListObjectsV2(acme(t), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("t/acme/")})
			return err
		},
		"a list of uploads": func() error {
			_, err := c.s3.ListMultipartUploads(acme(t), &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: aws.String("t/acme/")})
			return err
		},
		"a list of another's uploads": func() error {
			_, err := c.s3.ListMultipartUploads(acme(t), &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: aws.String("t/other/01X")})
			return err
		},
		"a copy": func() error {
			_, err := c.s3.CopyObject(acme(t), &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("t/acme/01X"), CopySource: aws.String("bucket/t/other/01X")})
			return err
		},
		"an update of another's queue row": func() error {
			_, err := c.db.UpdateItem(acme(t), &dynamodb.UpdateItemInput{TableName: table, Key: key("W#1", strings.Replace(queue, "acme", "other", 1))})
			return err
		},
		"a read of a queue row": func() error {
			_, err := c.db.GetItem(acme(t), &dynamodb.GetItemInput{TableName: table, Key: key("W#1", queue)})
			return err
		},
		"a batch with one row of another": func() error {
			_, err := c.db.BatchGetItem(acme(t), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"table": {Keys: []item{key("T#acme#O#1", "O"), key("T#other#O#1", "O")}}}})
			return err
		},
		"a transaction with one of anothers": func() error {
			_, err := c.db.TransactWriteItems(acme(t), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: table, Item: key("T#acme#O#1", "O")}}, {Delete: &types.Delete{TableName: table, Key: key("T#other#O#1", "O")}},
			}})
			return err
		},
	} {
		if err := call(); tenantguard.Breached(err) == nil || *c.left != 0 {
			t.Errorf("%s: %v, and %d calls left", name, err, *c.left)
			*c.left = 0
		}
	}
}

func acme(t *testing.T) context.Context { return auth.WithTenant(t.Context(), "acme") }

// TestCleanup holds the cleanup to what it does, on behalf of whom it may be.
func TestCleanup(t *testing.T) {
	c := newClients(tenantguard.Cleanup)
	table, bucket := aws.String("table"), aws.String("bucket")
	query := func(in dynamodb.QueryInput) error {
		in.TableName = table
		_, err := c.db.Query(t.Context(), &in)
		return err
	}
	update := func(partition string) error {
		_, err := c.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: table, Key: key(partition, "X")})
		return err
	}
	read := func(in dynamodb.UpdateItemInput) error {
		in.TableName, in.Key = table, key("T#acme#X#01X", "X")
		_, err := c.db.UpdateItem(t.Context(), &in)
		return err
	}
	remove := func(partitions ...string) error {
		var all []types.WriteRequest
		for _, partition := range partitions {
			all = append(all, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key(partition, "X")}})
		}
		_, err := c.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"table": all}})
		return err
	}
	move := func(from, to string) error {
		_, err := c.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Delete: &types.Delete{TableName: table, Key: key(from, "X")}}, {Put: &types.Put{TableName: table, Item: key(to, "Y")}},
		}})
		return err
	}
	batch := func(r types.WriteRequest) error {
		_, err := c.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"table": {r}}})
		return err
	}
	change := func(item types.TransactWriteItem) error {
		_, err := c.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}})
		return err
	}
	objects := func(keys ...string) error {
		in := &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3types.Delete{}}
		for _, key := range keys {
			in.Delete.Objects = append(in.Delete.Objects, s3types.ObjectIdentifier{Key: &key})
		}
		_, err := c.s3.DeleteObjects(t.Context(), in)
		return err
	}
	abort := func(object string) error {
		_, err := c.s3.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: bucket, Key: &object, UploadId: table})
		return err
	}
	list := func(prefix *string) error {
		_, err := c.s3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: prefix})
		return err
	}
	for name, tc := range map[string]struct {
		err     error
		refused bool
	}{
		"reads the queue":                     {query(dynamodb.QueryInput{KeyConditions: equal("PK", "W#1")}), false},
		"claims":                              {update("W#1"), false},
		"ends an upload":                      {update("T#acme#X#01X"), false},
		"reads what it changes of an upload":  {read(dynamodb.UpdateItemInput{ReturnValues: types.ReturnValueUpdatedOld}), false},
		"reads an upload":                     {read(dynamodb.UpdateItemInput{ReturnValues: types.ReturnValueAllNew}), true},
		"reads an upload as it was":           {read(dynamodb.UpdateItemInput{ReturnValues: types.ReturnValueAllOld}), true},
		"reads an upload that is not open":    {read(dynamodb.UpdateItemInput{ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}), true},
		"deletes queue rows":                  {remove("W#1", "W#2"), false},
		"moves a queue row":                   {move("W#1", "W#1"), false},
		"removes objects":                     {objects("t/acme/01X", "t/other/01Y"), false},
		"aborts an upload":                    {abort("t/acme/01X"), false},
		"looks for an upload":                 {list(aws.String("t/acme/01X")), false},
		"reads a job":                         {query(dynamodb.QueryInput{KeyConditions: equal("PK", "T#acme#J#1")}), true},
		"reads a timeline":                    {query(dynamodb.QueryInput{IndexName: aws.String("timeline"), KeyConditions: equal("TLPK", "T#acme#S1")}), true},
		"changes an output":                   {update("T#acme#O#1"), true},
		"changes an output of an odd tenant":  {update("T#ac#me#X#1"), true},
		"changes an upload of no tenant":      {update("T##X#1"), true},
		"deletes an output":                   {remove("W#1", "T#acme#O#1"), true},
		"puts a queue row":                    {batch(types.WriteRequest{PutRequest: &types.PutRequest{Item: key("W#1", "X")}}), true},
		"moves an output to the queue":        {move("T#acme#O#1", "W#1"), true},
		"moves a queue row to the outputs":    {move("W#1", "T#acme#O#1"), true},
		"changes a row in a transaction":      {change(types.TransactWriteItem{Update: &types.Update{TableName: table, Key: key("W#1", "X"), UpdateExpression: aws.String("SET v = :v")}}), true},
		"checks a row":                        {change(types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key("W#1", "X"), ConditionExpression: table}}), true},
		"removes what is no object":           {objects("t/acme/01X", "acme/01X"), true},
		"removes an object of no tenant":      {objects("t//01X"), true},
		"removes above":                       {objects("t/acme/../x"), true},
		"aborts what is no object":            {abort("x"), true},
		"looks for all uploads":               {list(nil), true},
		"looks for all uploads of the tenant": {list(aws.String("t/acme/")), true},
	} {
		if refused := tenantguard.Breached(tc.err) != nil; refused != tc.refused {
			t.Errorf("%s: %v, want it refused: %v", name, tc.err, tc.refused)
		}
	}
	for name, call := range c.calls("acme") { // what is a tenant's alone, also with a tenant in the context
		switch name {
		case "UpdateItem of the queue", "AbortMultipartUpload", "TransactWriteItems, put in the queue", "TransactWriteItems, delete of queue": // are the cleanup's too
		default:
			if err := call(acme(t)); tenantguard.Breached(err) == nil {
				t.Errorf("the cleanup may %s: %v", name, err)
			}
		}
	}
}
