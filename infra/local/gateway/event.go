package gateway

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
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
	single, multi, err := parseQuery(x.query)
	if err != nil {
		return nil, problem.New(problem.InvalidRequest, "The query has an invalid percent-escape.")
	}
	body, f := x.body()
	if f != nil {
		return nil, f
	}
	ip := sourceIP(x.r)
	headers := x.headers(ip)
	event := events.APIGatewayProxyRequest{
		Resource:                        x.route.template,
		Path:                            x.path,
		HTTPMethod:                      x.r.Method,
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
			HTTPMethod:       x.r.Method,
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
		return nil, payloadTooLarge()
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

// staged ends the documents about size: only an add has a reason to be so large.
const staged = " Larger contents go by staged upload: POST /v1/jobs/{pk}/uploads."

// body is the request's body in base64.
func (x *exchange) body() (string, *problem.Problem) {
	tooLarge := problem.New(problem.PayloadTooLarge, "The body is over %d bytes, the most a request may have."+staged, maxRequest).With("limit", maxRequest)
	if x.r.ContentLength > maxRequest {
		return "", tooLarge
	}
	if x.r.ContentLength == 0 {
		return "", nil
	}
	var text strings.Builder // encoded while it is read: a body is held once
	text.Grow(base64.StdEncoding.EncodedLen(int(max(x.r.ContentLength, 0))))
	encoder := base64.NewEncoder(base64.StdEncoding, &text)
	buffer := make([]byte, 4<<10)
	if x.r.ContentLength > int64(len(buffer)) {
		buffer = make([]byte, 32<<10)
	}
	size, err := io.CopyBuffer(encoder, io.LimitReader(x.r.Body, maxRequest+1), buffer)
	switch {
	case err != nil: // the client went away, or its chunks are malformed
		return "", problem.New(problem.InvalidRequest, "The body ended before it was complete.").Because(err)
	case size > maxRequest:
		return "", tooLarge
	}
	_ = encoder.Close() // writes what is left, which a Builder never refuses
	if text.Len() >= maxPayload {
		return "", payloadTooLarge()
	}
	return text.String(), nil
}

func payloadTooLarge() *problem.Problem {
	return problem.New(problem.PayloadTooLarge,
		"The request is too large: with the body in base64 and the headers it must be smaller than %d bytes, which is a body of about 4.5 MiB."+staged,
		maxPayload).With("limit", maxPayload)
}

// perHop are headers that concern the connection, which a gateway does not pass on.
// RFC 9110, section 7.6.1.
var perHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// headers are the request's headers as API Gateway passes them on. Names are in Go's
// canonical case, not the sender's, which net/http does not keep; whoever reads them must
// not care, as clients differ.
func (x *exchange) headers(ip string) http.Header {
	headers := x.r.Header.Clone()
	for name := range strings.SplitSeq(strings.Join(headers.Values("Connection"), ","), ",") {
		delete(headers, http.CanonicalHeaderKey(textproto.TrimString(name)))
	}
	for _, name := range append(perHop, "Expect") {
		delete(headers, name)
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

var errQuery = errors.New("invalid escape in the query")

// parseQuery decodes a query as API Gateway does: "&" separates, "+" is a space, and
// nothing else is special (url.ParseQuery refuses a semicolon). No query is no map.
func parseQuery(query string) (single map[string]string, multi map[string][]string, err error) {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return nil, nil, errQuery
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
