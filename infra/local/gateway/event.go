package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1" // means what encoding/json does, in less time

	"joboutputs/shared/problem"
)

const (
	// maxRequest is the largest body API Gateway REST takes, in bytes.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxRequest = 10 << 20
	// maxPayload is what a synchronous invocation's event must stay under, in bytes. The
	// quota page says 6 MB; Lambda's refusal says "Request must be smaller than 6291456
	// bytes for the InvokeFunction operation".
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxPayload = 6 << 20

	stage  = "local"
	domain = "localhost"
)

// payload is the event that the function receives: the REST proxy format, payload 1.0,
// as JSON.
func (x *exchange) payload() ([]byte, *problem.Problem) {
	single, multi, f := parseQuery(x.query)
	if f != nil {
		return nil, f
	}
	body, size, f := x.body()
	if f != nil {
		return nil, f
	}
	ip := sourceIP(x.r)
	headers := x.headers(ip, size)
	event := events.APIGatewayProxyRequest{
		Resource:                        x.route.template,
		Path:                            x.path,
		HTTPMethod:                      x.method,
		Headers:                         lastValues(headers),
		MultiValueHeaders:               headers,
		QueryStringParameters:           single,
		MultiValueQueryStringParameters: multi,
		PathParameters:                  x.params,
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID:        account,
			Stage:            stage,
			DomainName:       domain, // fixed: functions parse it as part of a URL, and Host is the client's text
			APIID:            apiID,
			RequestID:        x.id,
			Protocol:         x.r.Proto,
			Identity:         events.APIGatewayRequestIdentity{SourceIP: ip, UserAgent: x.r.UserAgent()},
			ResourcePath:     x.route.template,
			Path:             x.path,
			Authorizer:       x.authorizer,
			HTTPMethod:       x.method,
			RequestTime:      x.start.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			RequestTimeEpoch: x.start.UnixMilli(),
		},
		Body:            body,
		IsBase64Encoded: true, // as binaryMediaTypes */* makes every body
	}
	payload, err := encodeEvent(event)
	if err != nil {
		return nil, problem.New(problem.Internal, internalText).Because(fmt.Errorf("encode the event: %w", err))
	}
	if len(payload) >= maxPayload {
		return nil, problem.New(problem.PayloadTooLarge, overPayload)
	}
	return payload, nil
}

// encodeEvent is the event on the wire, where an empty body is null.
func encodeEvent(event events.APIGatewayProxyRequest) ([]byte, error) {
	type proxy events.APIGatewayProxyRequest
	wire := struct {
		proxy
		Body *string `json:"body"`
	}{proxy: proxy(event)}
	if event.Body != "" {
		wire.Body = &event.Body
	}
	return encode(wire)
}

// encode is v as encoding/json writes it, but for the order of maps' members: AWS promises
// none, and sorting them is a sixth of the gateway's work.
func encode(v any) ([]byte, error) {
	return json.Marshal(v, jsonv1.DefaultOptionsV1(), json.Deterministic(false))
}

// The bodies of the responses to a request over a limit, which are API Gateway's own: its
// response REQUEST_TOO_LARGE cannot be customized. Seen on AWS in 2021
// (koki-develop/lgtm-generator#10); the second also in AWS's Lambda Test Tool (aws-lambda-dotnet).
const (
	overRequest = "HTTP content length exceeded 10485760 bytes."
	overPayload = `{"message": "Request Too Long"}`
)

// dropped are the headers of requests that API Gateway does not pass on to Lambda, or that
// concern the connection alone (RFC 9110, section 7.6.1).
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func dropped() []string {
	return append(perHop(),
		"Connection", contentMD5, "Expect", "Max-Forwards", "Proxy-Authenticate", "Proxy-Authorization", "Server", "Www-Authenticate", override)
}

// perHop are headers of a connection that are passed on in neither direction.
func perHop() []string {
	return []string{"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
}

// contentMD5 is passed on under another name by the guide of 2018, and dropped by the current
// one. Here it is passed on: a client that states a digest must learn that it is wrong.
const contentMD5 = "Content-Md5"

// remappedPrefix begins the name under which a header is passed on whose own name API Gateway
// keeps for itself.
const remappedPrefix = "X-Amzn-Remapped-"

// override is the header by which a request says another method.
const override = "X-Http-Method-Override"

// headers are the request's headers as API Gateway passes them on, with a body of so many
// bytes. Names are in Go's canonical case, because net/http does not keep the sender's. Clients
// differ, so readers must not depend on the case.
func (x *exchange) headers(ip string, size int64) http.Header {
	headers := x.r.Header.Clone()
	for name := range strings.SplitSeq(strings.Join(headers.Values("Connection"), ","), ",") {
		delete(headers, http.CanonicalHeaderKey(textproto.TrimString(name)))
	}
	if values := headers[contentMD5]; values != nil {
		headers[remappedPrefix+contentMD5] = values
	}
	for _, name := range dropped() {
		delete(headers, name)
	}
	if x.coded == DecodeWhole {
		headers.Del("Content-Encoding")
	}
	if headers.Get("Content-Length") != "" { // which is generated from the body
		headers.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	if x.r.Host != "" {
		headers.Set("Host", x.r.Host)
	}
	headers.Set("X-Forwarded-For", strings.Join(append(headers.Values("X-Forwarded-For"), ip), ", "))
	headers.Set("X-Forwarded-Proto", "http")
	return headers
}

// lastValues keeps the last value of each name, as API Gateway's single-valued maps do.
func lastValues(multi map[string][]string) map[string]string {
	if multi == nil {
		return nil
	}
	single := make(map[string]string, len(multi))
	for name, values := range multi {
		single[name] = values[len(values)-1]
	}
	return single
}

// parseQuery decodes a query as API Gateway does: "&" and ";" separate, "+" is a space, and
// "|", "{" and "}" must be encoded. No query is no map.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func parseQuery(query string) (single map[string]string, multi map[string][]string, f *problem.Problem) {
	if strings.ContainsAny(query, "|{}") {
		return nil, nil, problem.New(problem.InvalidRequest, "The query has a character that must be percent-encoded.")
	}
	for pair := range strings.SplitSeq(strings.ReplaceAll(query, ";", "&"), "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return nil, nil, problem.New(problem.InvalidRequest, "The query has an invalid percent-escape.")
		}
		if multi == nil {
			multi = map[string][]string{}
		}
		multi[name] = append(multi[name], value)
	}
	return lastValues(multi), multi, nil
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
