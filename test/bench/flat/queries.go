package flat

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// query is a request that is measured.
type query struct {
	name    string
	flat    bool // must not take longer where more is stored
	page    bool // it is the second page that is asked for, by the first one's cursor
	request func(random *rand.Rand, size int) (line, body string)
}

const listLine = "POST /v1/job-outputs/list"

var queries = []query{
	{"retrieve", true, false, func(random *rand.Rand, size int) (string, string) {
		return "GET /v1/job-outputs/" + strconv.Itoa(1+random.IntN(size)), ""
	}},
	{"list a job's 50 outputs", true, false, func(random *rand.Rand, size int) (string, string) {
		return listLine, fmt.Sprintf(`{"expressions":[{"type":"exact","field":"job","value":%d}]}`, 1+random.IntN(size/perJob))
	}},
	{"the newest 50", true, false, func(*rand.Rand, int) (string, string) {
		return listLine, `{"order_by":[{"field":"creation_time","ascending":false}],"limit":50}`
	}},
	{"20 by name and type, second page", false, true, func(*rand.Rand, int) (string, string) {
		return listLine, `{"expressions":[{"type":"contains","field":"name","sub_string":"model"},{"type":"exact","field":"type","value":"tflite"}],` +
			`"order_by":[{"field":"creation_time","ascending":false}],"limit":20}`
	}},
}
