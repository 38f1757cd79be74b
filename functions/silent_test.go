package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"joboutputs/functions"
	"joboutputs/shared/api"
	"joboutputs/shared/api/apitest"
	"joboutputs/shared/auth"
	"joboutputs/shared/localaws"
	"joboutputs/shared/problem"
	"joboutputs/shared/table"
	"joboutputs/shared/uploads"
)

// TestSilentStores: where DynamoDB and S3 take connections and never respond, every function
// that calls them says so before Lambda ends it, and whether it may have done something.
func TestSilentStores(t *testing.T) {
	t.Parallel()
	endpoint := silentServer(t)
	deps := functions.NewDeps(table.Config{DynamoDB: localaws.DynamoDB(endpoint), S3: localaws.S3(endpoint), Table: "table", Bucket: "bucket"}, uploads.Limits{})
	deps.Streaming = true
	admin := auth.Principal{Tenant: "acme", UserPK: 1, Username: "admin", Admin: true, Nodes: []int64{1}, Node: 1}
	var all sync.WaitGroup
	for _, row := range functions.Catalogue() {
		calls := slices.ContainsFunc(row.Rights, func(r functions.Right) bool { return r.On == functions.Table })
		if row.HTTP == nil || !calls {
			continue
		}
		for _, key := range []string{"", "key"} {
			call := apitest.Call{Method: row.Routes[0].Methods[0], Resource: row.Routes[0].Resource, As: admin, Params: map[string]string{}, Now: time.Now()}
			for name, value := range map[string]string{"pk": "1", "name": "n", "type": "t", "id": "01JTHZ6Y8Q4M0A8XG3S7VN5K2D"} {
				if strings.Contains(call.Resource, "{"+name+"}") {
					call.Params[name] = value
				}
			}
			if row.Name == auth.UploadsBegin {
				call.JSON = `{"name":"n","type":"t","size":5}`
			}
			if key != "" {
				call = call.With("Idempotency-Key", key)
			}
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
				defer cancel()
				status, body, err := respond(ctx, row, deps, call.Event(t))
				if ctx.Err() != nil {
					t.Errorf("%s: its time was up first", row.Name)
				}
				var doc struct{ Code problem.Kind }
				err = errors.Join(err, json.Unmarshal([]byte(body), &doc))
				if err != nil || status != http.StatusServiceUnavailable || doc.Code != problem.Unavailable && doc.Code != problem.OutcomeUnknown {
					t.Errorf("%s: %d %s (%v), want 503 unavailable or outcome_unknown", row.Name, status, body, err)
				}
			})
		}
	}
	all.Wait()
}

// respond invokes a function, and reads its response to the end.
func respond(ctx context.Context, row functions.Function, deps functions.Deps, event events.APIGatewayProxyRequest) (status int, body string, err error) {
	edge := api.Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	if !row.Streamed {
		response, err := edge.Buffered(row.HTTP(deps))(ctx, event)
		return response.StatusCode, response.Body, err
	}
	response, err := edge.Streamed(row.HTTP(deps))(ctx, event)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// silentServer is the URL of a server that takes connections and never responds.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				for _, conn := range all {
					conn.Close()
				}
				return
			}
			all = append(all, conn)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}
