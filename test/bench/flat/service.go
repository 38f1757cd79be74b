package flat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"joboutputs/infra/local/gateway"
	"joboutputs/infra/local/issuer"
	localservice "joboutputs/infra/local/service"
	"joboutputs/shared/localaws"
	"joboutputs/test/bench/load"
)

// service is the service over the table of a size, with one client.
type service struct {
	size   int
	url    string
	header string
	server *gateway.Server
	client *load.Client
	meter  *meter
	random *rand.Rand
	cursor map[string]string // of second pages, by query
}

const user = "admin"

func serve(ctx context.Context, servers *localaws.Servers, size int) (*service, error) {
	s := &service{size: size, meter: &meter{}, random: rand.New(rand.NewPCG(1, uint64(size))), cursor: map[string]string{}}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	svc, err := localservice.New(localservice.Config{
		DynamoDB: localaws.DynamoDB(servers.DynamoDBEndpoint, func(o *dynamodb.Options) {
			o.APIOptions = append(o.APIOptions, s.meter.attach)
		}),
		S3: localaws.S3(servers.S3Endpoint), Table: tableName(size), Bucket: "none", Log: log,
	})
	if err != nil {
		return nil, err
	}
	if err := svc.Issuer.AddUser(issuer.User{Tenant: tenant, PK: 1, Username: user, Password: user, Admin: true, Active: true, Nodes: []int64{1}}); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.server = gateway.NewServer(svc, log)
	go func() { _ = s.server.Serve(listener) }() // ends by close
	address := listener.Addr().String()
	s.url = "http://" + address
	s.client = load.NewClient(address)
	token, err := s.login(ctx)
	s.header = " HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer " + token + "\r\n"
	return s, err
}

func (s *service) close() {
	s.client.Close()
	_ = s.server.Close()
}

func (s *service) login(ctx context.Context) (string, error) {
	var pair struct{ Access string }
	_, err := s.post(ctx, "/v1/auth/obtain", "", fmt.Sprintf(`{"username":"%s@%s","password":"%s"}`, user, tenant, user), &pair)
	return pair.Access, err
}

// post is for what is not measured.
func (s *service) post(ctx context.Context, path, token, body string, answer any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s: %.500s", path, response.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	return response.Header, err
}

// ask sends the query once.
func (s *service) ask(ctx context.Context, q query) error {
	line, body := q.request(s.random, s.size)
	if q.page {
		body = strings.TrimSuffix(body, "}") + `,"cursor":"` + s.cursor[q.name] + `"}`
	}
	head := line + s.header
	if body != "" {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	_, err := s.client.Do(ctx, []byte(head+"\r\n"), []byte(body))
	return err
}

// count asks a few times and says what was read each time.
func (s *service) count(ctx context.Context, q query) (reads, error) {
	if q.page {
		_, body := q.request(s.random, s.size)
		_, token, _ := strings.Cut(s.header, "Authorization: ")
		token, _, _ = strings.Cut(token, "\r\n")
		var page []any
		header, err := s.post(ctx, "/v1/job-outputs/list", token, body, &page)
		if err != nil {
			return reads{}, err
		}
		if s.cursor[q.name] = header.Get("X-Next-Cursor"); s.cursor[q.name] == "" {
			return reads{}, fmt.Errorf("there is no second page of %d outputs", s.size)
		}
	}
	const times = 10
	s.meter.begin()
	for range times {
		if err := s.ask(ctx, q); err != nil {
			return reads{}, err
		}
	}
	r := s.meter.end()
	return reads{r.calls / times, r.rows / times, r.units / times}, nil
}

// reads is what DynamoDB did for a request.
type reads struct{ calls, rows, units float64 }

// meter asks DynamoDB what calls cost while it is on.
type meter struct {
	mu  sync.Mutex
	on  bool
	sum reads
}

func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on, m.sum = true, reads{}
}

func (m *meter) end() reads {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on = false
	return m.sum
}

func (m *meter) counting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.on
}

func (m *meter) attach(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if !m.counting() {
				return next.HandleInitialize(ctx, in)
			}
			switch p := in.Parameters.(type) {
			case *dynamodb.GetItemInput:
				p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
			case *dynamodb.QueryInput:
				p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
			}
			out, metadata, err := next.HandleInitialize(ctx, in)
			m.mu.Lock()
			defer m.mu.Unlock()
			switch r := out.Result.(type) {
			case *dynamodb.GetItemOutput:
				m.add(1, r.ConsumedCapacity)
			case *dynamodb.QueryOutput:
				m.add(r.ScannedCount, r.ConsumedCapacity)
			}
			return out, metadata, err
		}), middleware.Before)
}

func (m *meter) add(rows int32, capacity *types.ConsumedCapacity) {
	m.sum.calls++
	m.sum.rows += float64(rows)
	if capacity != nil && capacity.CapacityUnits != nil {
		m.sum.units += *capacity.CapacityUnits
	}
}
