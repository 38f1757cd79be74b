package flat

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"joboutputs/shared/localaws"
)

// Dir keeps the rows between runs.
const Dir = ".data/bench"

// memory is a file system in memory, where there is one. DynamoDB Local waits for the disk
// at every row, so that 300,000 of them would take hours; there it takes minutes.
const memory = "/dev/shm"

// start starts the stores with a table of every size.
func start(ctx context.Context, sizes []int, log io.Writer) (*localaws.Servers, error) {
	servers, err := localaws.Start(ctx, localaws.Options{DataDir: Dir, Log: log})
	if err != nil {
		return nil, err
	}
	missing, err := unfilled(ctx, localaws.DynamoDB(servers.DynamoDBEndpoint), sizes)
	if err == nil && len(missing) == 0 {
		return servers, nil
	}
	servers.Stop()
	if err != nil {
		return nil, err
	}
	if err := fillAll(ctx, missing, log); err != nil {
		return nil, err
	}
	return localaws.Start(ctx, localaws.Options{DataDir: Dir, Log: log})
}

// unfilled are the sizes whose tables are not complete.
func unfilled(ctx context.Context, client *dynamodb.Client, sizes []int) ([]int, error) {
	tables, err := client.ListTables(ctx, &dynamodb.ListTablesInput{})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	there := map[string]bool{}
	for _, name := range tables.TableNames {
		there[name] = true
	}
	var missing []int
	for _, size := range sizes {
		if there[tableName(size)] {
			got, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(tableName(size)), Key: complete})
			if err != nil {
				return nil, fmt.Errorf("look at table %s: %w", tableName(size), err)
			}
			if len(got.Item) > 0 {
				continue
			}
		}
		missing = append(missing, size)
	}
	return missing, nil
}

// fillAll fills tables in memory and then puts the whole in the place of what was there.
func fillAll(ctx context.Context, sizes []int, log io.Writer) error {
	parent := memory
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	scratch, err := os.MkdirTemp(parent, "joboutputs-bench-")
	if err != nil {
		return fmt.Errorf("make a directory to fill tables in: %w", err)
	}
	defer os.RemoveAll(scratch)
	kept, made := filepath.Join(Dir, "dynamodb"), filepath.Join(scratch, "dynamodb")
	if err := os.CopyFS(made, os.DirFS(kept)); err != nil {
		return fmt.Errorf("copy the tables that are there: %w", err)
	}
	servers, err := localaws.Start(ctx, localaws.Options{DataDir: scratch, Log: log})
	if err != nil {
		return err
	}
	client := localaws.DynamoDB(servers.DynamoDBEndpoint)
	for _, size := range sizes {
		if err = fill(ctx, client, size, log); err != nil {
			break
		}
	}
	servers.Stop()
	if err != nil {
		return err
	}
	fresh := kept + ".new" // on the file system of kept, so that it takes its place at once
	err = os.RemoveAll(fresh)
	if err == nil {
		err = os.CopyFS(fresh, os.DirFS(made))
	}
	if err == nil {
		err = os.RemoveAll(kept)
	}
	if err == nil {
		err = os.Rename(fresh, kept)
	}
	if err != nil {
		return fmt.Errorf("keep the tables: %w", err)
	}
	return nil
}
